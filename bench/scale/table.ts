/** Tables of growth: how a figure grows with the amount of work. Verdicts on growth and on stalls. */
import { align, figure } from '../report.ts'

/** The figures of one amount of work. Rows of the same name follow each other, with growing amounts. */
export interface Row {
  readonly name: string
  readonly work: number
  readonly figures: Readonly<Record<string, number>>
}

/** One kind of work at several amounts. */
export interface Part {
  readonly title: string
  /** The unit of work. */
  readonly unit: string
  readonly rows: readonly Row[]
  /** The figures that must grow no faster than the work, with the tolerated factor above that. */
  readonly linear: Readonly<Record<string, number>>
  /** The greatest permitted value of other figures. */
  readonly limits: Readonly<Record<string, number>>
}

/** The tolerated factor for noise. */
export const NOISE = 1.3

/** Returns the factors by which the work and a figure have grown since the row before. Undefined without a figure to compare. */
export function growth(rows: readonly Row[], row: Row, name: string): { work: number; figure: number } | undefined {
  const before = rows.slice(0, rows.indexOf(row)).findLast((other) => other.name === row.name)
  const [from, to] = [before?.figures[name], row.figures[name]]
  if (before === undefined || from === undefined || to === undefined || from <= 0) return undefined
  return { work: row.work / before.work, figure: to / from }
}

function table({ title, unit, rows, linear }: Part): string {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const cells = rows.map((row) => {
    const before = rows.slice(0, rows.indexOf(row)).findLast(({ name }) => name === row.name)
    const work = `${row.work.toLocaleString('en')}${before ? ` (×${figure(row.work / before.work)})` : ''}`
    return [row.name, work, ...names.map((name) => cell(rows, row, name, name in linear))]
  })
  return `${title}\n${align([['', unit, ...names], ...cells])}\n`
}

function cell(rows: readonly Row[], row: Row, name: string, isLinear: boolean): string {
  const value = figure(row.figures[name] ?? Number.NaN)
  const factor = isLinear ? growth(rows, row, name)?.figure : undefined
  return factor === undefined ? value : `${value} (×${figure(factor)})`
}

/** Returns one line for each growth and each limit. */
export function verdicts({ rows, linear, limits, unit }: Part): string[] {
  const lines: string[] = []
  const say = (holds: boolean, what: string): number => lines.push(`${holds ? 'holds' : 'FAILS'}  ${what}`)
  for (const row of rows) {
    const place = `${row.name}, ${row.work.toLocaleString('en')} ${unit}`
    for (const [name, tolerance] of Object.entries(linear)) {
      const factors = growth(rows, row, name)
      if (factors === undefined || Number.isNaN(factors.figure)) continue
      const holds = factors.figure <= tolerance * factors.work
      say(holds, `${place}: ×${figure(factors.work)} work, ×${figure(factors.figure)} ${name}`)
    }
    for (const [name, limit] of Object.entries(limits)) {
      const value = row.figures[name]
      if (value !== undefined) say(value <= limit, `${place}: ${name} ${figure(value)}, at most ${limit}`)
    }
  }
  return lines
}

export function scaleReport(parts: readonly Part[]): string {
  return [...parts.map(table), ...parts.flatMap(verdicts)].join('\n')
}
