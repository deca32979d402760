/** One run of the native source, from its opening to the end of its thread: records are pumped here, and answered. */
import { type ProcessMonitorError, nativeError, stoppedError } from '../api/errors.js'
import type { ExitEvent } from '../api/event-types.js'
import type { LossReport } from '../api/types.js'
import type { NativeBinding, NativeOptions, NativeSource } from './binding.js'
import type { FilterRule, RuleListener } from './interest.js'
import { CONTROL, FIRST_SCAN, RECORD_HEAD_WORDS, RecordBuffer, readFailure, readLoss, readPastExit } from './record.js'

/** Words held at first: some 1,600 records. */
const BUFFER_WORDS = 16 * 1024
/** Milliseconds that one turn of the event loop may take for events. */
const BUDGET_MS = 4
/** How many records may pass between two looks at the clock, and the milliseconds after which they are to be fewer. */
const MAX_RECORDS_PER_CLOCK_CHECK = 16
const SLOW_CLOCK_CHECK_MS = 0.5
/** After how many records in a row that the first buffer has room for, a longer one is given up. */
const FITTING_RECORDS = 4096

/** The calls of a session to its owner; all but `onClosed` cease with `stop()`. */
export interface SessionListener {
  /** A record of a process. */
  onEvent(buffer: RecordBuffer, at: number): void
  /** Every process that a scan has found running has been reported. */
  onScanFinished(id: number): void
  /** Whether a process is running, or else how it has ended, where it is still there to be asked. */
  onWatchResult(id: number, result: boolean | ExitEvent): void
  onLoss(report: LossReport): void
  onRestart(error: ProcessMonitorError): void
  /** The process connector cannot be had, or not any more: /proc is polled instead. */
  onFallback(reason: ProcessMonitorError): void
  /** The thread is gone. `failure` is why the source ended by itself, null where it was stopped. */
  onClosed(failure: ProcessMonitorError | null): void
}

/** A promise, and what settles it. */
export interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: ProcessMonitorError) => void
}

export class Session implements RuleListener {
  /**
   * Null once it has closed: the source holds its callback, and through that this session, and neither
   * would ever be collected if the session held the source.
   */
  #source: NativeSource | null
  readonly #listener: SessionListener
  readonly #opened: Deferred = deferred()
  readonly #ended: Deferred = deferred()
  /** The scan at the start, once it was asked for. */
  #firstScan: Deferred | null = null
  #scans = 0

  #buffer = new RecordBuffer(BUFFER_WORDS)
  /** How many records have come since the last one that the first buffer has no room for. */
  #fitting = 0
  /** What of the buffer is still to be answered: from `#at` to `#end`. */
  #at = 0
  #end = 0
  /** How many records pass between two looks at the clock: fewer, the longer callbacks take. */
  #stride = 8
  /** How many of them are left until the next look. */
  #left = 8
  /** When the clock was first looked at since the event loop has turned, and when last; 0: it was not. */
  #began = 0
  #lastClockCheck = 0
  #pumping = false
  /** Whether nothing is waiting but what was copied already. */
  #isAll = false
  #next: NodeJS.Immediate | NodeJS.Timeout | null = null

  #kind: 'netlink' | 'polling' | null = null
  #failure: ProcessMonitorError | null = null
  #stopped = false
  #keepsAlive: boolean

  /** Counters in the binding's order: the last ones, once it has closed. */
  readonly #counters = new Float64Array(19)

  /** `keepsAlive`: true if events that wait keep Node.js running. */
  constructor(native: NativeBinding, options: NativeOptions, keepsAlive: boolean, listener: SessionListener) {
    this.#listener = listener
    this.#keepsAlive = keepsAlive
    this.#source = new native.Source(options, this.#buffer.words, (end, isAll) => this.#onRecords(end, isAll))
  }

  /** Where events come from, once that is open. */
  get kind(): 'netlink' | 'polling' | null {
    return this.#kind
  }

  /**
   * Resolves when the source is open and all running processes have been reported. Rejects, once everything is torn
   * down, where it does not come to that.
   */
  async ready(): Promise<void> {
    await this.#opened.promise
    if (this.#source === null) throw this.#reason()
    this.#firstScan = deferred()
    this.scan()
    await this.#firstScan.promise
    // It may have been stopped, or have failed, in the very turn in which the scan ended.
    if (!this.#stopped && this.#failure === null) return
    await this.#ended.promise
    throw this.#reason()
  }

  /** Has all running processes reported, and returns the id under which that is done. */
  scan(): number {
    if (!this.#stopped) this.#source?.scan(this.#scans + 1)
    return ++this.#scans
  }

  /** Has the end of a process awaited, whoever its parent is. */
  watchExit(id: number, pid: number): void {
    if (!this.#stopped) this.#source?.watchExit(id, pid)
  }

  addRule(rule: FilterRule): void {
    if (!this.#stopped) this.#source?.addRule(rule)
  }

  removeRule(rule: FilterRule): void {
    if (!this.#stopped) this.#source?.removeRule(rule)
  }

  /** From here on only `onClosed` is called. */
  stop(): void {
    if (this.#stopped || this.#source === null) return
    this.#stopped = true
    this.#source.stop()
  }

  counters(): Float64Array {
    this.#source?.stats(this.#counters)
    return this.#counters
  }

  /** Sets whether events that wait keep Node.js running. */
  setKeepAlive(keepsAlive: boolean): void {
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    if (this.#next === null) return
    clearImmediate(this.#next as NodeJS.Immediate)
    clearTimeout(this.#next as NodeJS.Timeout)
    this.#pumpLater()
  }

  #onRecords(end: number, isAll: boolean): void {
    // Time was up: the event loop is to turn first, though Node.js may call again before it does.
    if (this.#next !== null) return
    if (end > 0) this.#take(end)
    this.#pump(isAll)
  }

  /** The native part has copied records, up to `end`. */
  #take(end: number): void {
    this.#at = 1
    this.#end = end
  }

  /** `isAll`: nothing is waiting but what was copied already; for the rest `#onRecords` is called. */
  #pump(isAll = false): void {
    if (this.#source === null) return
    // Within a callback that has the event loop turn. What was copied is answered by the drain that is going on; so is the
    // rest, if it does not stop before.
    if (this.#pumping) {
      this.#isAll &&= isAll
      return
    }
    this.#pumping = true
    this.#isAll = isAll
    try {
      if (!this.#drain()) this.#pumpLater()
    } finally {
      this.#pumping = false
    }
  }

  /** Answers what waits. False: time is up, and more may be waiting; `#onRecords` is not called until all is drained. */
  #drain(): boolean {
    for (;;) {
      // Looking costs more than a record: it is not done for a few.
      if (this.#began === 0 && this.#end - this.#at >= this.#left * RECORD_HEAD_WORDS) this.#begin()
      while (this.#at < this.#end) {
        const at = this.#at
        const length = this.#buffer.words[at + 1]!
        this.#fitting = length < BUFFER_WORDS ? this.#fitting + 1 : 0
        // Moved on before it is answered: whatever happens there, no record is answered twice.
        this.#at += length
        this.#handleRecord(at)
        if (--this.#left <= 0 && !this.#hasTime()) return this.#source === null
      }
      this.#buffer.words[0] = 0
      if (this.#source === null) return true
      if (this.#buffer.words.length > BUFFER_WORDS && this.#fitting >= FITTING_RECORDS) this.#setBuffer(BUFFER_WORDS)
      if (this.#isAll) return true
      const end = this.#source.drain()
      if (end === 0) return true
      if (end > 0) this.#take(end)
      else this.#setBuffer(Math.max(-end, 2 * this.#buffer.words.length))
    }
  }

  #setBuffer(length: number): void {
    this.#fitting = 0
    this.#buffer = new RecordBuffer(length)
    this.#source?.setBuffer(this.#buffer.words)
  }

  /** One budget is for all that is answered until the event loop turns, however often `#onRecords` is called meanwhile. */
  #begin(): void {
    this.#began = this.#lastClockCheck = performance.now()
    setImmediate(() => (this.#began = 0)).unref()
  }

  #hasTime(): boolean {
    const now = performance.now()
    const isSlow = now - this.#lastClockCheck > SLOW_CLOCK_CHECK_MS
    this.#left = this.#stride = isSlow
      ? Math.ceil(this.#stride / 2)
      : Math.min(MAX_RECORDS_PER_CLOCK_CHECK, 2 * this.#stride)
    this.#lastClockCheck = now
    return now - this.#began < BUDGET_MS
  }

  #handleRecord(at: number): void {
    const { words } = this.#buffer
    const kind = words[at]! & 0xff
    if (kind === CONTROL.CLOSED) return this.#close()
    if (this.#stopped) return
    switch (kind) {
      case CONTROL.OPENED:
        this.#kind = words[at + 6] === 0 ? 'netlink' : 'polling'
        return this.#opened.resolve()
      case CONTROL.SCAN_FINISHED: {
        const id = words[at + 5]!
        if (id === FIRST_SCAN) this.#firstScan?.resolve()
        return this.#listener.onScanFinished(id)
      }
      case CONTROL.WATCH_RESULT:
        return this.#listener.onWatchResult(
          words[at + 5]!,
          words[at + 6] === 2 ? readPastExit(words, at) : words[at + 6] === 1,
        )
      case CONTROL.LOSS:
        return this.#listener.onLoss(readLoss(words, at))
      case CONTROL.RESTART:
        return this.#listener.onRestart(readFailure(this.#buffer, at))
      case CONTROL.FELL_BACK:
        this.#kind = 'polling'
        return this.#listener.onFallback(readFailure(this.#buffer, at))
      case CONTROL.FAILED:
        this.#failure = readFailure(this.#buffer, at)
        return
      default:
        this.#listener.onEvent(this.#buffer, at)
    }
  }

  #close(): void {
    this.#source?.stats(this.#counters)
    this.#source?.join()
    this.#source = null
    this.#kind = null
    if (!this.#stopped)
      this.#failure ??= nativeError('ERR_SOURCE_FAILED', {
        errno: 0,
        context: 'the native source closed without reporting an error',
      })
    const reason = this.#reason()
    this.#opened.reject(reason)
    this.#firstScan?.reject(reason)
    this.#ended.resolve()
    this.#listener.onClosed(this.#failure)
  }

  #reason(): ProcessMonitorError {
    return this.#failure ?? stoppedError()
  }

  #pumpLater(): void {
    const pump = (): void => {
      this.#next = null
      this.#pump()
    }
    // An unref'd immediate would wait for the event loop to wake for something else; a timer wakes it, if it is alive.
    this.#next = this.#keepsAlive ? setImmediate(pump) : setTimeout(pump, 0).unref()
  }
}

export function deferred(): Deferred {
  let resolve!: () => void
  let reject!: (error: ProcessMonitorError) => void
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
