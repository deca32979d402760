/** A table of the runs: medians, and in brackets minimum and maximum. */
import type { Run } from './run.ts'
import { type Scenario, scenarios, type WarmUp } from './scenarios.ts'
import { type Spread, spread } from './statistics.ts'

/** The runs of one observer under one load. */
export interface Summary {
  readonly peer: string
  readonly scenario: string
  readonly warmUp: WarmUp
  readonly loadAverage: Spread
  readonly complete: Spread
  readonly cpu: Spread
  readonly cpuPerEvent: Spread
  readonly wakeUpsPerEvent: Spread
  readonly resident: Spread
  readonly rate: Spread
  /** The slow-down of the load in per cent, compared to the load without an observer. */
  readonly slowDown: number
  readonly steal: Spread
  readonly p50: Spread
  readonly p90: Spread
  readonly p99: Spread
}

const measured = [
  'loadAverage',
  'complete',
  'cpu',
  'cpuPerEvent',
  'wakeUpsPerEvent',
  'resident',
  'rate',
  'steal',
  'p50',
  'p90',
  'p99',
] as const

export function summarize(runs: readonly Run[]): Summary[] {
  const groups = Map.groupBy(runs, ({ peer, scenario, warmUp }) => [scenario, warmUp, peer].join('\n'))
  const rates = (peer: string, scenario: string, warmUp: WarmUp): Spread =>
    spread((groups.get([scenario, warmUp, peer].join('\n')) ?? []).map(({ rate }) => rate))
  return [...groups.values()].map((group) => {
    const { peer = '', scenario = '', warmUp = 'long' } = group[0] ?? {}
    const figures = measured.map((name) => [name, spread(group.map((run) => run[name]))])
    const alone = rates('no observer', scenario, warmUp).median
    const slowDown = 100 * (1 - rates(peer, scenario, warmUp).median / alone)
    const spreads = Object.fromEntries(figures) as Record<(typeof measured)[number], Spread>
    return Object.assign(spreads, { peer, scenario, warmUp, slowDown })
  })
}

/** Pads columns to their widest cell. The first column is left-aligned, the others are right-aligned. */
export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** Formats a number with two significant digits, or as a whole number. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return '–'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 3)
}

function range({ median, least, most }: Spread): string {
  if (Number.isNaN(median) || figure(least) === figure(most)) return figure(median)
  return `${figure(median)} (${figure(least)}–${figure(most)})`
}

function table(title: string, summaries: readonly Summary[]): string {
  const head = [
    'observer',
    'complete %',
    'CPU µs/event',
    'CPU s',
    'wake-ups/event',
    'MB',
    'load/s',
    'slower by %',
    'p50 µs',
    'p90 µs',
    'p99 µs',
    'steal %',
    'load average',
  ]
  const rows = summaries.map((row) => [
    row.peer,
    range(row.complete),
    range(row.cpuPerEvent),
    figure(row.cpu.median),
    figure(row.wakeUpsPerEvent.median),
    figure(row.resident.median),
    range(row.rate),
    row.peer === 'no observer' ? '' : figure(row.slowDown),
    ...[row.p50, row.p90, row.p99].map(({ median }) => figure(median)),
    figure(row.steal.median),
    figure(row.loadAverage.median),
  ])
  // Omit empty columns.
  const filled = head.map((_, column) => rows.some((row) => row[column] !== '–' && row[column] !== ''))
  const kept = [head, ...rows].map((row) => row.filter((_, column) => filled[column]))
  return `${title}\n${align(kept)}\n`
}

/** Returns the title of a load after a warm-up. */
export function titleOf({ title }: Scenario, warmUp: WarmUp): string {
  return warmUp === 'short' ? `${title}, in the first seconds` : title
}

export function report(summaries: readonly Summary[]): string {
  return scenarios
    .flatMap((scenario) => (['short', 'long'] as const).map((warmUp) => ({ scenario, warmUp })))
    .map(({ scenario, warmUp }) => ({
      title: titleOf(scenario, warmUp),
      rows: summaries.filter((row) => row.scenario === scenario.name && row.warmUp === warmUp),
    }))
    .filter(({ rows }) => rows.length > 0)
    .map(({ title, rows }) => table(title, rows))
    .join('\n')
}
