/** What a subscriber makes of what it is told, and whether that is the truth. */
import type { ExecEvent, ExitEvent, LossReport, ProcessField, ProcessMonitor } from '../../dist/index.js'
import { isRunning, type ProcessInstance, type Storm } from './load.ts'
import { until } from './helpers.ts'

/** What was told of a number. */
interface Told {
  readonly what: string
  readonly origin: string
  readonly timestampNs: number
}

/** How long after a process's end the kernel may report it, at most. */
const LATE_NS = 1e9

export class SubscriberModel {
  /** Who is believed to run. */
  readonly running = new Set<number>()
  /** What was told of each number. */
  readonly history = new Map<number, Told[]>()
  readonly losses: LossReport[] = []
  /** Events that made a loss right again. */
  readonly recovered = { execs: 0, exits: 0 }
  /** Where in its history the life of one that was born in a storm begins. */
  readonly #born = new Map<number, number>()
  readonly #monitor: ProcessMonitor
  readonly #onLoss = (report: LossReport): void => void this.losses.push(report)

  constructor(monitor: ProcessMonitor, capture: readonly ProcessField[] = []) {
    this.#monitor = monitor
    monitor.on('loss', this.#onLoss)
    monitor.subscribeExec((pid, event) => this.#exec(pid, event), { capture })
    monitor.subscribeExit((pid, event) => this.#exit(pid, event))
  }

  /** Stops to listen. What was subscribed ends with the monitor. */
  close(): void {
    this.#monitor.off('loss', this.#onLoss)
  }

  #exec(pid: number, { origin, timestampNs }: ExecEvent): void {
    if (origin === 'resync') this.recovered.execs++
    this.running.add(pid)
    this.#note(pid, { what: 'exec', origin, timestampNs })
  }

  #exit(pid: number, { origin, exitCode, signal, timestampNs }: ExitEvent): void {
    if (origin === 'resync') this.recovered.exits++
    this.running.delete(pid)
    const what = exitCode === null && signal === null ? 'unknown exit' : `exit ${exitCode ?? signal}`
    this.#note(pid, { what, origin, timestampNs })
  }

  #note(pid: number, told: Told): void {
    const history = this.history.get(pid)
    if (history === undefined) this.history.set(pid, [told])
    else history.push(told)
  }

  /** The events lost for one cause, as far as they were told. */
  lost(cause: LossReport['cause']): number {
    return this.losses.reduce((sum, loss) => sum + (loss.cause === cause ? loss.lost : 0), 0)
  }

  /** The events that made losses right again, as far as they were told. */
  toldRecovered(): { execs: number; exits: number } {
    const told = { execs: 0, exits: 0 }
    for (const { recoveredExecs, recoveredExits } of this.losses) {
      told.execs += recoveredExecs
      told.exits += recoveredExits
    }
    return told
  }

  /**
   * Waits until whoever is now believed to run although it has ended is known to have ended, and everybody born in the
   * storm is believed to run. Says how many milliseconds that took since the last event was lost: others may storm, too.
   */
  async becomesTrue({ stays }: Storm): Promise<number> {
    const stale = new Set([...this.running].filter((pid) => !isRunning(pid)))
    let calmSince = performance.now()
    let { lostSocket } = this.#monitor.stats()
    const isTrue = until('no process is believed to run that has ended, and those born in the storm are', () => {
      const lost = this.#monitor.stats().lostSocket
      if (lost > lostSocket) calmSince = performance.now()
      lostSocket = lost
      for (const pid of stale) if (!this.running.has(pid) || isRunning(pid)) stale.delete(pid)
      return stale.size === 0 && stays.every((pid) => this.running.has(pid))
    })
    await isTrue.catch((cause: Error) => {
      const wrong = [...stale, ...stays.filter((pid) => !this.running.has(pid))].map((pid) => this.#told(pid))
      throw new Error(`${cause.message}: ${wrong.join('; ')}`, { cause })
    })
    const took = performance.now() - calmSince
    for (const pid of stays) this.#born.set(pid, this.history.get(pid)!.length - 1)
    return took
  }

  /** Short processes of which two exits were told. They end with `code`, and nobody else does. */
  endedTwice({ lives }: Storm, code: number): string[] {
    return this.#wrong(lives, (life, next) => this.#exits(life, next, code) > 1)
  }

  /** Short processes of which not one exec and one exit was told: where nothing was lost. */
  notPaired({ lives }: Storm, code: number): string[] {
    return this.#wrong(lives, (life, next) => {
      const history = this.history.get(life.pid) ?? []
      const at = history.findIndex(({ what, timestampNs }) => what === `exit ${code}` && timestampNs >= life.began)
      const isPaired = history[at - 1]?.what === 'exec' && (at < 2 || history[at - 2]!.what !== 'exec')
      return !isPaired || history[at - 1]!.timestampNs < life.began || this.#exits(life, next, code) !== 1
    })
  }

  /** How many exits were told of one life; `next` is when the number came again. */
  #exits({ pid, began, ended }: ProcessInstance, next: number, code: number): number {
    let isOwn = false
    let exits = 0
    for (const { what, origin, timestampNs } of this.history.get(pid) ?? []) {
      if (what === 'exec') {
        isOwn = origin === 'kernel' && began <= timestampNs && timestampNs <= ended
      } else if (what === 'unknown exit') {
        // It has no time of its own: it belongs to the exec that it follows.
        if (isOwn) exits++
      } else if (what === `exit ${code}` && began <= timestampNs && timestampNs < Math.min(next, ended + LATE_NS)) {
        // The kernel may report it only after its parent knows.
        exits++
      }
    }
    return exits
  }

  #wrong(lives: readonly ProcessInstance[], isWrong: (life: ProcessInstance, next: number) => boolean): string[] {
    const wrong: string[] = []
    const nexts = new Map<number, number>()
    for (const life of lives.toSorted((a, b) => b.began - a.began)) {
      if (isWrong(life, nexts.get(life.pid) ?? Infinity)) wrong.push(this.#told(life.pid, life))
      nexts.set(life.pid, life.began)
    }
    return wrong.slice(0, 10)
  }

  /** Who, of those born in a storm that were killed since, had not one exit. */
  notEndedOnce(pids: readonly number[]): string[] {
    const isEnd = (told: Told | undefined): boolean => /^(exit SIGKILL|unknown exit)$/.test(told?.what ?? '')
    const wrong = pids.filter((pid) => {
      const [exec, end, then] = this.history.get(pid)?.slice(this.#born.get(pid)) ?? []
      return exec?.what !== 'exec' || !isEnd(end) || isEnd(then)
    })
    return wrong.map((pid) => this.#told(pid))
  }

  #told(pid: number, life?: ProcessInstance): string {
    const history = this.history.get(pid)?.map(({ what, origin, timestampNs }) => `${what} ${origin} ${timestampNs}`)
    return `${pid} ${life === undefined ? '' : `${life.began}-${life.ended}`}: ${history?.join(', ') ?? 'nothing'}`
  }
}
