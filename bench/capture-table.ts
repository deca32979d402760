/** Counts of captured details of short processes. Pure functions. The loads and the observers are in capture.ts. */
import { align } from './report.ts'

/** The number of the load's processes that were reported with each detail. */
export interface Captured {
  readonly exe: number
  readonly argv: number
  readonly name: number
}

/** The counts of one observer under one load. NaN for a detail that it never reports. */
export interface Row extends Captured {
  readonly peer: string
  readonly load: string
  readonly made: number
}

/** Counts lines of forkstat and extrace. Without arguments, they show the name in brackets or cut. */
export function countLines(text: string, program: string, argument: string): Captured {
  const lines = text.split('\n').filter((line) => / exec +\d+ |^ *\d+\+? /.test(line))
  const argv = lines.filter((line) => line.includes(`${program} ${argument}`)).length
  return { exe: Number.NaN, argv, name: Number.NaN }
}

const percent = (count: number, made: number): string => (Number.isNaN(count) ? '–' : ((100 * count) / made).toFixed(0))

/** Returns a row for each observer and a column for each load: exe, argv and name, in per cent. */
export function captureTable(rows: readonly Row[]): string {
  const loads = [...new Set(rows.map(({ load }) => load))]
  const lines = [...Map.groupBy(rows, ({ peer }) => peer)].map(([peer, own]) => {
    const cells = loads.map((load) => {
      const row = own.find((one) => one.load === load)
      return row ? [row.exe, row.argv, row.name].map((count) => percent(count, row.made)).join(' / ') : '–'
    })
    return [peer].concat(cells)
  })
  return align([['exe / argv / name, in %', ...loads], ...lines])
}
