/** The running processes as a subscriber knows them from events, and checks against the real ones. */
import type { ExecEvent, ExitEvent, LossReport, ProcessField, ProcessMonitor } from '../../dist/index.js'
import { isRunning, type ProcessInstance, type Storm } from './load.ts'
import { until } from './helpers.ts'

/** One event of a pid. */
interface HistoryEntry {
  readonly what: string
  readonly origin: string
  readonly timestampNs: number
}

/** The longest time from a process's exit to the kernel's report, in nanoseconds. */
const LATE_NS = 1e9

export class SubscriberModel {
  /** The pids of the processes that run according to the events. */
  readonly running = new Set<number>()
  /** The events of each pid. */
  readonly history = new Map<number, HistoryEntry[]>()
  readonly losses: LossReport[] = []
  /** The number of events that recovered a loss. */
  readonly recovered = { execs: 0, exits: 0 }
  /** For each process that started in a storm and stays: the place of its exec in its pid's history. */
  readonly #stayed = new Map<number, number>()
  readonly #monitor: ProcessMonitor
  readonly #onLoss = (report: LossReport): void => void this.losses.push(report)

  constructor(monitor: ProcessMonitor, capture: readonly ProcessField[] = []) {
    this.#monitor = monitor
    monitor.on('loss', this.#onLoss)
    monitor.subscribeExec((pid, event) => this.#exec(pid, event), { capture })
    monitor.subscribeExit((pid, event) => this.#exit(pid, event))
  }

  /** Removes the listener. The subscriptions end with the monitor. */
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

  #note(pid: number, entry: HistoryEntry): void {
    const history = this.history.get(pid)
    if (history === undefined) this.history.set(pid, [entry])
    else history.push(entry)
  }

  /** Returns the number of events that were reported as lost for one cause. */
  lost(cause: LossReport['cause']): number {
    return this.losses.reduce((sum, loss) => sum + (loss.cause === cause ? loss.lost : 0), 0)
  }

  /** Returns the number of events that were reported as recovered. */
  reportedRecovered(): { execs: number; exits: number } {
    const reported = { execs: 0, exits: 0 }
    for (const { recoveredExecs, recoveredExits } of this.losses) {
      reported.execs += recoveredExecs
      reported.exits += recoveredExits
    }
    return reported
  }

  /**
   * Waits until the model has every process of the storm that stays, and no process that has exited by now. Returns the
   * milliseconds from the last lost event, because other tests may cause losses, too.
   */
  async converges({ stays }: Storm): Promise<number> {
    const stale = new Set([...this.running].filter((pid) => !isRunning(pid)))
    let calmSince = performance.now()
    let { lostSocket } = this.#monitor.stats()
    const isTrue = until('the model has no exited process, and every process of the storm that stays', () => {
      const lost = this.#monitor.stats().lostSocket
      if (lost > lostSocket) calmSince = performance.now()
      lostSocket = lost
      for (const pid of stale) if (!this.running.has(pid) || isRunning(pid)) stale.delete(pid)
      return stale.size === 0 && stays.every((pid) => this.running.has(pid))
    })
    await isTrue.catch((cause: Error) => {
      const wrong = [...stale, ...stays.filter((pid) => !this.running.has(pid))].map((pid) => this.#describe(pid))
      throw new Error(`${cause.message}: ${wrong.join('; ')}`, { cause })
    })
    const took = performance.now() - calmSince
    for (const pid of stays) this.#stayed.set(pid, this.history.get(pid)!.length - 1)
    return took
  }

  /** Returns the short processes with two exits. Only they exit with `code`. */
  withTwoExits({ instances }: Storm, code: number): string[] {
    return this.#wrong(instances, (instance, next) => this.#exits(instance, next, code) > 1)
  }

  /** Returns the short processes without exactly one exec and one exit. Call this only if nothing was lost. */
  withoutOneExecAndExit({ instances }: Storm, code: number): string[] {
    return this.#wrong(instances, (instance, next) => {
      const { pid, began } = instance
      const history = this.history.get(pid) ?? []
      const at = history.findIndex(({ what, timestampNs }) => what === `exit ${code}` && timestampNs >= began)
      const isPaired = history[at - 1]?.what === 'exec' && (at < 2 || history[at - 2]!.what !== 'exec')
      return !isPaired || history[at - 1]!.timestampNs < began || this.#exits(instance, next, code) !== 1
    })
  }

  /** Returns the number of exits of one process instance. `next` is the time when its pid is reused. */
  #exits({ pid, began, ended }: ProcessInstance, next: number, code: number): number {
    let isOwn = false
    let exits = 0
    for (const { what, origin, timestampNs } of this.history.get(pid) ?? []) {
      if (what === 'exec') {
        isOwn = origin === 'kernel' && began <= timestampNs && timestampNs <= ended
      } else if (what === 'unknown exit') {
        // An unknown exit has no time of its own. It belongs to the exec before it.
        if (isOwn) exits++
      } else if (what === `exit ${code}` && began <= timestampNs && timestampNs < Math.min(next, ended + LATE_NS)) {
        // The kernel may report the exit after the parent has reaped the process.
        exits++
      }
    }
    return exits
  }

  #wrong(
    instances: readonly ProcessInstance[],
    isWrong: (instance: ProcessInstance, next: number) => boolean,
  ): string[] {
    const wrong: string[] = []
    const nexts = new Map<number, number>()
    for (const instance of instances.toSorted((a, b) => b.began - a.began)) {
      if (isWrong(instance, nexts.get(instance.pid) ?? Infinity)) wrong.push(this.#describe(instance.pid, instance))
      nexts.set(instance.pid, instance.began)
    }
    return wrong.slice(0, 10)
  }

  /** Returns those of the killed processes of a storm that do not have exactly one exit. */
  withoutOneExit(pids: readonly number[]): string[] {
    const isEnd = (entry: HistoryEntry | undefined): boolean => /^(exit SIGKILL|unknown exit)$/.test(entry?.what ?? '')
    const wrong = pids.filter((pid) => {
      const [exec, end, then] = this.history.get(pid)?.slice(this.#stayed.get(pid)) ?? []
      return exec?.what !== 'exec' || !isEnd(end) || isEnd(then)
    })
    return wrong.map((pid) => this.#describe(pid))
  }

  #describe(pid: number, instance?: ProcessInstance): string {
    const history = this.history.get(pid)?.map(({ what, origin, timestampNs }) => `${what} ${origin} ${timestampNs}`)
    return `${pid} ${instance === undefined ? '' : `${instance.began}-${instance.ended}`}: ${history?.join(', ') ?? 'nothing'}`
  }
}
