/** The summary of a run: events by program and by parent, lifetimes, failures, losses. */
import { type Entry, type EventEntry, isEvent } from '../../recording/entry.js'
import { keptName } from '../../recording/text.js'
import { formatBytes, formatDuration, formatElapsed, inWords, plural } from '../output/format.js'
import { isFailed } from '../../recording/words.js'
import { type Layout, column, line, wrap } from '../output/text.js'
import { printable } from '../../recording/text.js'
import { Histogram } from './histogram.js'
import { isNews } from './view.js'

interface Program {
  execs: number
  exits: number
  failed: number
  /** null: no CPU time is known. */
  cpuNs: number | null
  /** The peak of one process. null: none is known. */
  maxRssBytes: number | null
  readonly lifetimes: Histogram
}

/** Different names that are kept apart; those that come later are counted together. */
const NAMES_MAX = 10_000
const OTHERS = '(others)'

export class Summary {
  #lost = 0
  #skipped = 0
  readonly #all: Program = emptyProgram()
  readonly #programs = new Map<string, Program>()
  readonly #parents = new Map<string, number>()
  #forks = 0
  #otherEvents = 0
  /** The reason why costs are unknown. */
  #usageNote: string | null = null

  add(entry: Entry): void {
    if (entry.type === 'loss') {
      if (entry.cause === 'output') this.#skipped += entry.lost
      else this.#lost += entry.lost
    } else if (entry.type === 'note') {
      if (entry.note === 'usage') this.#usageNote = entry.message
    } else if (isEvent(entry) && isNews(entry)) {
      this.#addEvent(entry)
    }
  }

  #addEvent(entry: EventEntry): void {
    const { type, name, parentName } = entry
    if (type === 'fork') {
      this.#forks++
      return
    }
    if (type !== 'exec' && type !== 'exit') {
      this.#otherEvents++
      return
    }
    count(this.#all, entry)
    if (name !== null) {
      const known = limited(this.#programs, name)
      const program = this.#programs.get(known) ?? emptyProgram()
      this.#programs.set(known, program)
      count(program, entry)
    }
    if (type === 'exec' && parentName !== null) {
      const known = limited(this.#parents, parentName)
      this.#parents.set(known, (this.#parents.get(known) ?? 0) + 1)
    }
  }

  /** Events that were reported as lost. */
  get lost(): number {
    return this.#lost
  }

  /** Returns the summary as a sentence. */
  headline(elapsedMs: number): string {
    const { execs, exits, failed } = this.#all
    const counted = [plural(execs, 'exec'), plural(exits, 'exit')]
    if (this.#forks > 0) counted.push(plural(this.#forks, 'fork'))
    if (this.#otherEvents > 0) counted.push(plural(this.#otherEvents, 'other'))
    const said = `${inWords(counted, 'and')} in ${formatElapsed(elapsedMs)}, ${failed} failed, ${plural(this.#lost, 'event')} lost`
    return this.#skipped === 0 ? said : `${said}, ${plural(this.#skipped, 'line')} skipped`
  }

  /** The sentence, and below it the `most` busiest programs and parents. */
  toLines(elapsedMs: number, most: number, layout: Layout): string[] {
    const head = wrap(this.headline(elapsedMs), layout.columns)
    const programs = programsOf(this.#programs)
    const parents = busiest(this.#parents, ([, execs]) => execs)
    const hasUsage = this.#all.cpuNs !== null
    const titles = hasUsage ? [...TITLES, ...COST_TITLES] : TITLES
    const unknown = this.#usageNote === null ? [] : ['', printable(this.#usageNote)]
    const tables = [
      ...unknown,
      ...section('PROGRAM', programs, most, ([name, program]) => row(name, program, elapsedMs, hasUsage), titles),
      ...section('PARENT', parents, most, ([name, execs]) => cells(name, execs, rate(execs, elapsedMs)), PARENT_TITLES),
    ]
    return [...head, ...tables.map((text) => line([[text]], layout))]
  }

  toObject(elapsedMs: number): object {
    const { execs, exits, failed, lifetimes } = this.#all
    return {
      type: 'summary',
      elapsedMs: Math.round(elapsedMs),
      execs,
      exits,
      failed,
      forks: this.#forks,
      otherEvents: this.#otherEvents,
      lost: this.#lost,
      skipped: this.#skipped,
      ...quantiles(lifetimes),
      programs: programsOf(this.#programs).map(([name, program]) => {
        const { p50Ns, p99Ns } = quantiles(program.lifetimes)
        const { execs: its, exits: ended, failed: bad, cpuNs, maxRssBytes } = program
        return { name, execs: its, exits: ended, failed: bad, p50Ns, p99Ns, cpuNs, maxRssBytes }
      }),
      parents: busiest(this.#parents, ([, n]) => n).map(([name, n]) => ({ name, execs: n })),
    }
  }
}

function emptyProgram(): Program {
  return { execs: 0, exits: 0, failed: 0, cpuNs: null, maxRssBytes: null, lifetimes: new Histogram() }
}

function count(program: Program, entry: EventEntry): void {
  if (entry.type === 'exec') {
    program.execs++
    return
  }
  program.exits++
  if (isFailed(entry)) program.failed++
  if (typeof entry.durationNs === 'number') program.lifetimes.add(entry.durationNs)
  addCost(program, entry)
}

/** Adds the cost of an exit, if it is known. */
export function addCost(
  total: { cpuNs: number | null; maxRssBytes: number | null },
  { usage }: Pick<EventEntry, 'usage'>,
): void {
  if (usage === undefined || usage === null) return
  total.cpuNs = (total.cpuNs ?? 0) + usage.cpuNs
  if (usage.maxRssBytes !== null) total.maxRssBytes = Math.max(total.maxRssBytes ?? 0, usage.maxRssBytes)
}

function limited(known: ReadonlyMap<string, unknown>, full: string): string {
  const name = keptName(full)
  return known.has(name) || known.size < NAMES_MAX ? name : OTHERS
}

function busiest<T>(all: ReadonlyMap<string, T>, weight: (one: readonly [string, T]) => number): [string, T][] {
  return [...all].sort((a, b) => weight(b) - weight(a) || (a[0] < b[0] ? -1 : 1))
}

function programsOf(programs: ReadonlyMap<string, Program>): [string, Program][] {
  return busiest(programs, ([, { execs, exits }]) => execs + exits)
}

export function quantiles(lifetimes: Histogram): { p50Ns: number | null; p99Ns: number | null } {
  return { p50Ns: lifetimes.quantile(0.5), p99Ns: lifetimes.quantile(0.99) }
}

const NAME_WIDTH = 24
const TITLES = ['EXECS', 'EXEC/S', 'EXITS', 'FAILED', 'P50', 'P99'] as const
const COST_TITLES = ['CPU', 'MEMORY'] as const
const PARENT_TITLES = ['EXECS', 'EXEC/S'] as const

function section<T>(
  title: string,
  all: readonly T[],
  most: number,
  toRow: (one: T) => string,
  titles: readonly string[],
): string[] {
  if (all.length === 0) return []
  const more = all.length - most
  const rest = more > 0 ? [`… and ${more} more`] : []
  return ['', cells(title, ...titles), ...all.slice(0, most).map(toRow), ...rest]
}

function row(name: string, program: Program, elapsedMs: number, hasUsage: boolean): string {
  const { execs, exits, failed, cpuNs, maxRssBytes, lifetimes } = program
  const { p50Ns, p99Ns } = quantiles(lifetimes)
  const lives = [formatDuration(p50Ns), formatDuration(p99Ns)]
  const cost = hasUsage ? [formatDuration(cpuNs), formatBytes(maxRssBytes)] : []
  return cells(name, execs, rate(execs, elapsedMs), exits, failed, ...lives, ...cost)
}

function cells(name: string, ...figures: readonly (string | number)[]): string {
  return column(printable(name), NAME_WIDTH) + figures.map((figure) => String(figure).padStart(9)).join('')
}

function rate(n: number, elapsedMs: number): string {
  if (elapsedMs <= 0) return '-'
  const perSecond = n / (elapsedMs / 1000)
  return n > 0 && perSecond < 0.05 ? '<0.1' : perSecond.toFixed(1)
}
