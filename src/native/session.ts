/** One run of the native source, from its opening to the end of its thread. Drains its records and dispatches them. */
import { type ProcessMonitorError, nativeError, stoppedError } from '../api/errors.js'
import type { ExitEvent } from '../api/event-types.js'
import type { LossReport } from '../api/monitor-types.js'
import { type NativeBinding, type NativeOptions, type NativeSource, STATS_LENGTH } from './binding.js'
import type { FilterRule, RuleListener } from './interest.js'
import {
  CONTROL,
  FIRST_RECORD,
  FIRST_SCAN,
  RECORD_HEAD_WORDS,
  RecordBuffer,
  readFailure,
  readLoss,
  readPastExit,
} from './record.js'

/** The initial length of the buffer, in words: some 1,600 records. */
const BUFFER_WORDS = 16 * 1024
/** The most milliseconds that records may take in one turn of the event loop. */
const BUDGET_MS = 4
/** The most records between two clock checks. */
const MAX_RECORDS_PER_CLOCK_CHECK = 16
/** The milliseconds between two clock checks above which fewer records are handled between them. */
const SLOW_CLOCK_CHECK_MS = 0.5
/** The milliseconds between two drains above which other code has surely had a turn. */
const NEW_TURN_MS = 1
/** A longer buffer is replaced by the initial one after this many consecutive records that fit into that. */
const FITTING_RECORDS = 4096

/** Receives the records of a session. After `stop()` only `onClosed` is called. */
export interface SessionListener {
  /** A record of a process. */
  onEvent(buffer: RecordBuffer, at: number): void
  /** Every process that a scan found has been reported. */
  onScanFinished(id: number): void
  /** The answer to `watchExit`: true if the process is running, its exit if that is known, or false. */
  onWatchResult(id: number, result: boolean | ExitEvent | null): void
  /** All that the kernel had reported before the request `flush` has been handled. */
  onFlushed(id: number): void
  onLoss(report: LossReport): void
  onRestart(error: ProcessMonitorError): void
  /** The process connector is unavailable or has failed. /proc is polled instead. */
  onFallback(reason: ProcessMonitorError): void
  /** The thread has ended. `failure` is the reason. null: it was stopped. */
  onClosed(failure: ProcessMonitorError | null): void
}

/** A promise, and the functions that settle it. */
export interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: ProcessMonitorError) => void
}

export class Session implements RuleListener {
  /**
   * Null once it has closed. The source holds its callback, and through that this session. If the session held the source,
   * neither would be garbage-collected.
   */
  #source: NativeSource | null
  readonly #listener: SessionListener
  readonly #opened: Deferred = deferred()
  readonly #ended: Deferred = deferred()
  /** Settles with the bootstrap scan. null: that has not been requested. */
  #firstScan: Deferred | null = null
  #scans = 0

  #buffer = new RecordBuffer(BUFFER_WORDS)
  /** The number of records since the last one that does not fit into the initial buffer. */
  #fittingRecords = 0
  /** The records still to be handled stand in the buffer from `#at` to `#end`. */
  #at = 0
  #end = 0
  /** The number of records between two clock checks. Slow callbacks reduce it. */
  #recordsPerClockCheck = 8
  /** The number of records until the next clock check. */
  #recordsUntilClockCheck = 8
  /** The time at which the budget began. Drains in quick succession share it. */
  #budgetStart = 0
  /** False until the drain in progress has checked the clock. */
  #hasBudget = false
  /** The time of the last clock check. -Infinity: the event loop has turned since. */
  #lastClockCheck = -Infinity
  #pumping = false
  /** True if all queued records have been copied. */
  #isAll = false
  #nextPump: NodeJS.Immediate | NodeJS.Timeout | null = null

  #kind: 'netlink' | 'polling' | null = null
  #failure: ProcessMonitorError | null = null
  #stopped = false
  #keepsAlive: boolean

  /** The counters in the binding's order. They keep their last values after the end. */
  readonly #counters = new Float64Array(STATS_LENGTH)

  /** `keepsAlive`: true if queued records keep Node.js running. */
  constructor(native: NativeBinding, options: NativeOptions, keepsAlive: boolean, listener: SessionListener) {
    this.#listener = listener
    this.#keepsAlive = keepsAlive
    this.#source = new native.Source(options, this.#buffer.words, (end, isAll) => this.#onRecords(end, isAll))
  }

  /** The source of events. null: it is not open. */
  get kind(): 'netlink' | 'polling' | null {
    return this.#kind
  }

  /**
   * Resolves when the source is open and all running processes have been reported. After a failure or a stop it rejects, when
   * everything is torn down.
   */
  async ready(): Promise<void> {
    await this.#opened.promise
    if (this.#source === null) throw this.#reason()
    this.#firstScan = deferred()
    this.scan()
    await this.#firstScan.promise
    // The session may have been stopped, or have failed, in the turn in which the scan ended.
    if (!this.#stopped && this.#failure === null) return
    await this.#ended.promise
    throw this.#reason()
  }

  /** Starts a scan of all running processes, and returns its id. */
  scan(): number {
    if (!this.#stopped) this.#source?.scan(this.#scans + 1)
    return ++this.#scans
  }

  /** Watches for the exit of a process. It need not be a child of this one. */
  watchExit(id: number, pid: number, startTime?: number): void {
    if (!this.#stopped) this.#source?.watchExit(id, pid, startTime)
  }

  /** Requests `onFlushed` after all that the kernel has reported by now. */
  flush(id: number): void {
    if (!this.#stopped) this.#source?.flush(id)
  }

  addRule(rule: FilterRule): void {
    if (!this.#stopped) this.#source?.addRule(rule)
  }

  removeRule(rule: FilterRule): void {
    if (!this.#stopped) this.#source?.removeRule(rule)
  }

  /** Stops the source. After this call only `onClosed` is called. */
  stop(): void {
    if (this.#stopped || this.#source === null) return
    this.#stopped = true
    this.#source.stop()
  }

  counters(): Float64Array {
    this.#source?.stats(this.#counters)
    return this.#counters
  }

  /** Sets the flag by which queued records keep Node.js running. */
  setKeepAlive(keepsAlive: boolean): void {
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    if (this.#nextPump === null) return
    clearImmediate(this.#nextPump as NodeJS.Immediate)
    clearTimeout(this.#nextPump as NodeJS.Timeout)
    this.#pumpLater()
  }

  #onRecords(end: number, isAll: boolean): void {
    // The budget is used up, and the rest is scheduled. Node.js may call again before the event loop turns.
    if (this.#nextPump !== null) return
    if (end > 0) this.#setRange(end)
    this.#pump(isAll)
  }

  /** Sets the range of the records that the native part has copied. */
  #setRange(end: number): void {
    this.#at = FIRST_RECORD
    this.#end = end
  }

  /** Handles queued records. `isAll`: all of them have been copied; `#onRecords` is called for later ones. */
  #pump(isAll = false): void {
    if (this.#source === null) return
    // A subscriber's callback runs the event loop. The drain in progress handles the copied records, and the rest unless it
    // stops earlier.
    if (this.#pumping) {
      this.#isAll &&= isAll
      return
    }
    this.#pumping = true
    this.#hasBudget = false
    this.#isAll = isAll
    try {
      if (!this.#drain()) this.#pumpLater()
    } finally {
      this.#pumping = false
    }
  }

  /**
   * Handles queued records. Returns false if the budget is used up, and records may be left. `#onRecords` is not called until
   * all are drained.
   */
  #drain(): boolean {
    for (;;) {
      // Start the budget only before a clock check, because one costs more than a record.
      if (!this.#hasBudget && this.#end - this.#at >= this.#recordsUntilClockCheck * RECORD_HEAD_WORDS)
        this.#startBudget()
      while (this.#at < this.#end) {
        const at = this.#at
        const length = this.#buffer.words[at + 1]!
        this.#fittingRecords = length < BUFFER_WORDS ? this.#fittingRecords + 1 : 0
        // Advance before handling, so that no record is handled twice, even after an exception.
        this.#at += length
        this.#handleRecord(at)
        if (--this.#recordsUntilClockCheck <= 0 && !this.#hasTime()) return this.#source === null
      }
      this.#buffer.words[0] = 0
      if (this.#source === null) return true
      if (this.#buffer.words.length > BUFFER_WORDS && this.#fittingRecords >= FITTING_RECORDS)
        this.#setBuffer(BUFFER_WORDS)
      if (this.#isAll) return true
      const end = this.#source.drain()
      if (end === 0) return true
      if (end > 0) this.#setRange(end)
      else this.#setBuffer(Math.max(-end, 2 * this.#buffer.words.length))
    }
  }

  #setBuffer(length: number): void {
    this.#fittingRecords = 0
    this.#buffer = new RecordBuffer(length)
    this.#source?.setBuffer(this.#buffer.words)
  }

  /**
   * Starts a budget, or goes on with that of the drain before. Node.js may call `#onRecords` again before the event loop turns,
   * and an immediate in each batch, to learn that it has, would cost more than ten records.
   */
  #startBudget(): void {
    const now = performance.now()
    if (now - this.#lastClockCheck > NEW_TURN_MS) this.#budgetStart = now
    this.#lastClockCheck = now
    this.#hasBudget = true
  }

  #hasTime(): boolean {
    const now = performance.now()
    const isSlow = now - this.#lastClockCheck > SLOW_CLOCK_CHECK_MS
    this.#recordsUntilClockCheck = this.#recordsPerClockCheck = isSlow
      ? Math.ceil(this.#recordsPerClockCheck / 2)
      : Math.min(MAX_RECORDS_PER_CLOCK_CHECK, 2 * this.#recordsPerClockCheck)
    this.#lastClockCheck = now
    return now - this.#budgetStart < BUDGET_MS
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
          words[at + 6] === 3 ? null : words[at + 6] === 2 ? readPastExit(words, at) : words[at + 6] === 1,
        )
      case CONTROL.FLUSHED:
        return this.#listener.onFlushed(words[at + 5]!)
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
      this.#nextPump = null
      this.#lastClockCheck = -Infinity
      this.#pump()
    }
    // An unref'd immediate does not wake the event loop. An unref'd timer does, while something else keeps the loop alive.
    this.#nextPump = this.#keepsAlive ? setImmediate(pump) : setTimeout(pump, 0).unref()
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
