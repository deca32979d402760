/** The busiest programs of the last seconds, as a screen. */
import { dropOldest } from '../entries/bounded.js'
import { type Entry, type EventEntry, isEvent } from '../../recording/entry.js'
import { excerpt, keptName } from '../../recording/text.js'
import { formatBytes, formatDuration, formatSeconds, plural } from '../output/format.js'
import { commandOf, isFailed } from '../../recording/words.js'
import { type Layout, type Piece, column, line } from '../output/text.js'
import { printable } from '../../recording/text.js'
import { Histogram } from './histogram.js'
import { addCost, quantiles } from './summary.js'
import { type Screenful, isNews } from './view.js'

/** Seconds over which rates are computed. */
const WINDOW_S = 5
/** Programs that are shown. Twice as many are kept; beyond that, the least busy are removed. */
const PROGRAMS_MAX = 2000
/** Processes whose program is known. */
const RUNNING_MAX = 65_536
/** Characters of a command that are kept. */
const COMMAND_MAX = 1000

class Program {
  readonly name: string
  running = 0
  execs = 0
  failed = 0
  cpuNs: number | null = null
  maxRssBytes: number | null = null
  readonly lifetimes: Histogram = new Histogram()
  /** Execs by second. */
  readonly recent = new Map<number, number>()
  last = ''

  constructor(name: string) {
    this.name = name
  }

  touch(second: number): void {
    this.execs++
    this.recent.set(second, (this.recent.get(second) ?? 0) + 1)
    dropOldest(this.recent, 2 * WINDOW_S)
  }

  /** Returns the execs within the window, and removes earlier ones. */
  within(now: number): number {
    let sum = 0
    for (const [second, execs] of this.recent) {
      if (second <= now - WINDOW_S) this.recent.delete(second)
      else sum += execs
    }
    return sum
  }
}

export class Top implements Screenful {
  /** If false, exits are not reported, and the number of running processes is unknown. */
  readonly #followsExits: boolean
  readonly #programs = new Map<string, Program>()
  /** The program of each live process. */
  readonly #running = new Map<number, Program>()
  readonly #all = new Program('')
  #exits = 0
  #lost = 0
  #remark: string | null = null
  #beganNs: number | null = null
  /** By the last entry, the time of day at a moment of the events' clock. */
  #time: { readonly ms: number; readonly ns: number } | null = null

  constructor(followsExits = true) {
    this.#followsExits = followsExits
  }

  add(entry: Entry): void {
    this.#time = { ms: Date.parse(entry.time), ns: entry.timestampNs }
    if (isNews(entry)) this.#beganNs ??= entry.timestampNs
    if (entry.type === 'loss') {
      if (entry.cause !== 'output') this.#lost += entry.lost
    } else if (entry.type === 'note') {
      // Another remark is more important.
      this.#remark = entry.note === 'usage' ? (this.#remark ?? entry.message) : entry.message
    } else if (isEvent(entry)) {
      if (entry.type === 'exec') this.#exec(entry)
      else if (entry.type === 'exit') this.#exit(entry)
    }
  }

  #exec(entry: EventEntry): void {
    const name = keptName(entry.name ?? '-')
    const program = this.#programs.get(name) ?? new Program(name)
    this.#programs.set(name, program)
    if (this.#followsExits) this.#enter(entry.pid, program)
    if (this.#programs.size > 2 * PROGRAMS_MAX) this.#prune(entry.timestampNs)
    if (!isNews(entry)) return
    const second = Math.floor(entry.timestampNs / 1e9)
    program.touch(second)
    this.#all.touch(second)
    program.last = excerpt(commandOf(entry), COMMAND_MAX)
  }

  #exit(entry: EventEntry): void {
    this.#exits++
    const program = this.#running.get(entry.pid) ?? this.#programs.get(keptName(entry.name ?? ''))
    this.#leave(entry.pid)
    for (const one of [program, this.#all]) {
      if (one === undefined) continue
      if (isFailed(entry)) one.failed++
      if (typeof entry.durationNs === 'number') one.lifetimes.add(entry.durationNs)
      addCost(one, entry)
    }
  }

  #enter(pid: number, program: Program): void {
    this.#leave(pid)
    this.#running.set(pid, program)
    program.running++
    dropOldest(this.#running, RUNNING_MAX, (oldest) => oldest.running--)
  }

  #leave(pid: number): void {
    const program = this.#running.get(pid)
    if (program !== undefined) program.running--
    this.#running.delete(pid)
  }

  frame(nowNs: number, layout: Layout & { readonly rows: number }): readonly string[] {
    const rows = this.#rows(nowNs)
    const hasUsage = this.#all.cpuNs !== null
    const titles = ['EXEC/S', 'EXECS', 'RUNNING', 'FAILED', 'P50', 'P99', ...(hasUsage ? ['CPU', 'MEMORY'] : [])]
    const head: Piece[][] = [
      [[this.#title(nowNs)]],
      ...(this.#remark === null ? [] : [[[printable(this.#remark), 'yellow']] satisfies Piece[]]),
      [],
      [[cells('PROGRAM', titles) + 'COMMAND', 'inverse']],
    ]
    const body = rows.map(({ program, perSecond }): Piece[] => {
      const { p50Ns, p99Ns } = quantiles(program.lifetimes)
      const figures = [perSecond.toFixed(1), program.execs, this.#followsExits ? program.running : '-', program.failed]
      const cost = hasUsage ? [formatDuration(program.cpuNs), formatBytes(program.maxRssBytes)] : []
      const text = cells(printable(program.name), [...figures, formatDuration(p50Ns), formatDuration(p99Ns), ...cost])
      return [[text, program.failed > 0 ? 'red' : undefined], [program.last]]
    })
    return [...head, ...body].slice(0, layout.rows).map((pieces) => line(pieces, layout))
  }

  toObject(nowNs: number): object {
    return {
      type: 'top',
      time: this.#now(nowNs)?.toISOString() ?? null,
      execs: this.#all.execs,
      exits: this.#exits,
      failed: this.#all.failed,
      lost: this.#lost,
      execsPerSecond: this.#perSecond(this.#all, nowNs),
      programs: this.#rows(nowNs).map(({ program, perSecond }) => {
        const { name, execs, running, failed, lifetimes, cpuNs, maxRssBytes } = program
        const { p50Ns, p99Ns } = quantiles(lifetimes)
        const known = this.#followsExits ? running : null
        return { name, execsPerSecond: perSecond, execs, running: known, failed, p50Ns, p99Ns, cpuNs, maxRssBytes }
      }),
    }
  }

  #title(nowNs: number): string {
    const now = this.#now(nowNs)
    const words = [
      ...(now === null ? [] : [formatSeconds(now)]),
      `${this.#perSecond(this.#all, nowNs).toFixed(1)} execs/s`,
      plural(this.#all.execs, 'exec'),
      plural(this.#exits, 'exit'),
      `${this.#all.failed} failed`,
      ...(this.#followsExits ? [`${this.#running.size} running`] : []),
      `${this.#lost} lost`,
    ]
    return words.join('  ')
  }

  #now(nowNs: number): Date | null {
    return this.#time === null ? null : new Date(this.#time.ms + (nowNs - this.#time.ns) / 1e6)
  }

  /** Keeps the running and the busiest programs. */
  #prune(nowNs: number): void {
    const now = Math.floor(nowNs / 1e9)
    const weighed = [...this.#programs.values()].map((program) => ({
      program,
      runs: Math.sign(program.running),
      recent: program.within(now),
    }))
    weighed.sort((a, b) => b.runs - a.runs || b.recent - a.recent || b.program.execs - a.program.execs)
    for (const { program } of weighed.slice(PROGRAMS_MAX)) {
      this.#programs.delete(program.name)
      // Running processes may still refer to it.
      program.last = ''
    }
  }

  /** Returns the active programs, busiest first. */
  #rows(nowNs: number): { program: Program; perSecond: number }[] {
    return [...this.#programs.values()]
      .filter(({ execs, failed }) => execs > 0 || failed > 0)
      .map((program) => ({ program, perSecond: this.#perSecond(program, nowNs) }))
      .sort(
        (a, b) =>
          b.perSecond - a.perSecond || b.program.execs - a.program.execs || (a.program.name < b.program.name ? -1 : 1),
      )
      .slice(0, PROGRAMS_MAX)
  }

  #perSecond(program: Program, nowNs: number): number {
    const seconds = Math.min(WINDOW_S, Math.max(1, (nowNs - (this.#beganNs ?? nowNs)) / 1e9))
    return Math.round((10 * program.within(Math.floor(nowNs / 1e9))) / seconds) / 10
  }
}

function cells(name: string, figures: readonly (string | number)[]): string {
  return `${column(name, 15)}${figures.map((figure) => String(figure).padStart(8)).join('')}  `
}
