/** The promises of `waitForExit`, by process. */
import { ProcessMonitorError, abortError, stoppedError } from '../api/errors.js'
import type { ExitEvent } from '../api/event-types.js'
import type { InterestBuilder } from '../native/interest.js'
import { EXIT, type RecordView } from '../native/record-view.js'
import { onAbort } from './abort.js'
import type { StopListener } from './event-stream.js'

/** One promise to tell of a process's exit. */
export interface Wait {
  /** What the native part knows it by. */
  readonly id: number
  readonly pid: number
  readonly promise: Promise<ExitEvent>
  /** False once it is settled: nothing is awaited any more. */
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

  /** From here on the exits of that pid are listened to; whether it is running is still to be asked. */
  begin(pid: number, signal: AbortSignal | undefined): Wait {
    const rule = { types: 1 << EXIT, fields: 0, pid }
    const wait: PendingWait = new PendingWait(++this.#lastId, pid, signal, () => {
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

  /** Takes a record of whatever kind. */
  dispatch(record: RecordView): void {
    if (this.#byPid.size === 0 || record.kind !== EXIT) return
    const waits = this.#byPid.get(record.pid)
    if (waits === undefined) return
    for (const wait of waits) wait.onExit(record.event as ExitEvent)
  }

  /** The result to whether the process is running, or else how it has ended. */
  onWatchResult(id: number, result: boolean | ExitEvent): void {
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
 * The result is in one order with the exits, and a pid is used again: of a process that is running, the exit is the next
 * one of its pid. Of one that is not, it is the last one since the call, if any: then it has ended just in between.
 */
class PendingWait implements Wait {
  readonly id: number
  readonly pid: number
  readonly promise: Promise<ExitEvent>
  isPending = true
  #isRunning = false
  #last: ExitEvent | null = null
  #resolve!: (event: ExitEvent) => void
  #reject!: (error: unknown) => void
  readonly #release: () => void

  constructor(id: number, pid: number, signal: AbortSignal | undefined, forget: () => void) {
    this.id = id
    this.pid = pid
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
    else this.#last = event
  }

  onWatchResult(result: boolean | ExitEvent): void {
    this.#isRunning = result === true
    if (this.#isRunning) return
    if (this.#last !== null) this.#fulfil(this.#last)
    else if (typeof result === 'object') this.#fulfil(result)
    else
      this.reject(new ProcessMonitorError('ERR_NO_SUCH_PROCESS', `No process is running that has the pid ${this.pid}.`))
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
