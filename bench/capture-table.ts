/** What observers captured of short processes, counted. Pure: the loads and the observers are in capture.ts. */
import { align } from './report.ts'

/** How many of the load's processes were told with this detail. */
export interface Captured {
  readonly exe: number
  readonly argv: number
  readonly name: number
}

/** One observer under one load; NaN where it never tells that detail. */
export interface Row extends Captured {
  readonly peer: string
  readonly load: string
  readonly made: number
}

/** Lines of forkstat and extrace show arguments, or the name in brackets or cut short where there are none. */
export function countLines(text: string, program: string, argument: string): Captured {
  const lines = text.split('\n').filter((line) => / exec +\d+ |^ *\d+\+? /.test(line))
  const argv = lines.filter((line) => line.includes(`${program} ${argument}`)).length
  return { exe: Number.NaN, argv, name: Number.NaN }
}

const percent = (count: number, made: number): string => (Number.isNaN(count) ? '–' : ((100 * count) / made).toFixed(0))

/** A line for each observer, a column for each load: exe, argv and name, in per cent. */
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
