/** The pending promises of `waitForExit`, by process. */
import { ProcessMonitorError, abortError, foreignProcError, stoppedError } from '../api/errors.js'
import type { ExitEvent } from '../api/event-types.js'
import type { InterestBuilder } from '../native/interest.js'
import { EXIT, type RecordView } from '../native/record-view.js'
import { onAbort } from './abort.js'
import type { StopListener } from './event-stream.js'

/** One promise of a process's exit. */
export interface Wait {
  /** The id of the watch request to the native part. */
  readonly id: number
  readonly pid: number
  readonly promise: Promise<ExitEvent>
  /** False once the promise is settled. */
  readonly isPending: boolean
  reject(error: unknown): void
}

export class ExitWaits implements StopListener {
  readonly #byId = new Map<number, PendingWait>()
  readonly #byPid = new Map<number, Set<PendingWait>>()
  readonly #interest: InterestBuilder
  #lastId = 0

  constructor(interest: InterestBuilder) {
    this.#interest = interest
  }

  get size(): number {
    return this.#byId.size
  }

  /** Records the exits of the pid from now on. The caller still has to send the watch request. */
  begin(pid: number, startTime: number | undefined, signal: AbortSignal | undefined): Wait {
    const rule = { types: 1 << EXIT, fields: 0, pid }
    const wait: PendingWait = new PendingWait(++this.#lastId, pid, startTime, signal, () => {
      this.#forget(wait)
      this.#interest.delete(rule)
    })
    this.#byId.set(wait.id, wait)
    const others = this.#byPid.get(pid)
    if (others !== undefined) others.add(wait)
    else this.#byPid.set(pid, new Set([wait]))
    this.#interest.add(rule)
    return wait
  }

  /** Handles a record of any kind. */
  dispatch(record: RecordView): void {
    if (this.#byPid.size === 0 || record.kind !== EXIT) return
    const waits = this.#byPid.get(record.pid)
    if (waits === undefined) return
    for (const wait of waits) wait.onExit(record.event as ExitEvent)
  }

  /**
   * Handles a watch result: true if the process is running, its exit if that is known, or false. null: /proc shows another pid
   * namespace.
   */
  onWatchResult(id: number, result: boolean | ExitEvent | null): void {
    this.#byId.get(id)?.onWatchResult(result)
  }

  onMonitorEnd(failure: ProcessMonitorError | null): void {
    for (const wait of this.#byId.values()) wait.reject(failure ?? stoppedError())
  }

  #forget(wait: PendingWait): void {
    this.#byId.delete(wait.id)
    const others = this.#byPid.get(wait.pid)
    others?.delete(wait)
    if (others?.size === 0) this.#byPid.delete(wait.pid)
  }
}

/**
 * One pending wait. The watch result and the exits arrive in one order, which matters because of pid reuse. If the process is
 * running, its exit is the next one of the pid. If it is not, its exit is the last one since the call, if there is one. With a
 * start time, an exit without that start time counts only if the native part confirms it.
 */
class PendingWait implements Wait {
  readonly id: number
  readonly pid: number
  readonly #startTime: number | undefined
  readonly promise: Promise<ExitEvent>
  isPending = true
  #isRunning = false
  #lastExit: ExitEvent | null = null
  #resolve!: (event: ExitEvent) => void
  #reject!: (error: unknown) => void
  readonly #release: () => void

  constructor(
    id: number,
    pid: number,
    startTime: number | undefined,
    signal: AbortSignal | undefined,
    forget: () => void,
  ) {
    this.id = id
    this.pid = pid
    this.#startTime = startTime
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const release = onAbort(signal, () => this.reject(abortError(signal!)))
    this.#release = () => {
      release()
      forget()
    }
  }

  onExit(event: ExitEvent): void {
    if (this.#isRunning) this.#fulfil(event)
    else this.#lastExit = event
  }

  onWatchResult(result: boolean | ExitEvent | null): void {
    if (result === null) return this.reject(foreignProcError('pid'))
    this.#isRunning = result === true
    if (this.#isRunning) return
    const exit = typeof result === 'object' ? result : null
    // The dispatched event has more details.
    if (this.#lastExit !== null && this.#isOwn(this.#lastExit, exit)) this.#fulfil(this.#lastExit)
    else if (exit !== null) this.#fulfil(exit)
    else
      this.reject(
        new ProcessMonitorError(
          'ERR_NO_SUCH_PROCESS',
          `pid: no such process is running, got ${this.pid}. Call waitForExit() within a second of its exit.`,
        ),
      )
  }

  #isOwn(last: ExitEvent, exit: ExitEvent | null): boolean {
    if (this.#startTime === undefined) return true
    return last.process?.startTime === this.#startTime || last.timestampNs === exit?.timestampNs
  }

  reject(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  #fulfil(event: ExitEvent): void {
    this.#settle()
    this.#resolve(event)
  }

  #settle(): void {
    if (!this.isPending) return
    this.isPending = false
    this.#release()
  }
}
