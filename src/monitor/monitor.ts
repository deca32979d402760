/** The monitor: counts references, and starts and ends sessions of the native source. */
import type { EventEmitter } from 'node:events'
import { type ProcessMonitorError, abortError, checkInteger, notInitializedError, stoppedError } from '../api/errors.js'
import type { EventOf, EventType, ExitEvent, ProcessField } from '../api/event-types.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import type { MonitorEvents, ProcessCallback, ProcessMonitor, Unsubscribe, WaitOptions } from '../api/monitor-types.js'
import type { EventsOptions, MonitorOptions, SubscribeOptions } from '../api/options.js'
import type { MonitorStats } from '../api/stats.js'
import { publishEvent, publishLoss } from '../integrations/diagnostics-channel.js'
import { PID_MAX_LIMIT, STATS_LENGTH, load } from '../native/binding.js'
import { InterestBuilder } from '../native/interest.js'
import { RecordView } from '../native/record-view.js'
import { type Deferred, Session, deferred } from '../native/session.js'
import { CheckedEmitter } from './checked-emitter.js'
import { type StopListener, openStream } from './event-stream.js'
import { ExitWaits } from './exit-waits.js'
import { Flushes } from './flushes.js'
import { checkSignal } from './filter.js'
import { type CheckedOptions, TIMER_MAX_MS, checkOptions, differingOptions } from './options.js'
import { StartReminder } from './start-reminder.js'
import { Registry, throwUncaught } from './subscriptions.js'
import { warnOfFallback, warnOfIgnoredOptions } from './warnings.js'

/** The index is the binding's number. */
const PRIORITIES = ['ordinary', 'short-slice', 'realtime'] as const
/** The index is the binding's number. */
const WATCHING = [null, 'snapshot', 'cursor', 'perf'] as const

const WAIT_OPTIONS: KnownKeys<WaitOptions> = { signal: true, startTime: true }

class Monitor extends CheckedEmitter implements ProcessMonitor {
  #references = 0
  readonly #interest: InterestBuilder = new InterestBuilder({
    addRule: (rule) => this.#session?.addRule(rule),
    removeRule: (rule) => this.#session?.removeRule(rule),
  })
  readonly #reminder = new StartReminder()
  readonly #registry: Registry = new Registry(this.#interest, this.#reminder, () => this.#session!.scan())
  readonly #waits: ExitWaits = new ExitWaits(this.#interest)
  readonly #flushes: Flushes = new Flushes()
  readonly #streams = new Set<StopListener>()
  #session: Session | null = null
  /** The promise of `initialize` while it is pending or fulfilled. */
  #initialized: Promise<void> | null = null
  /** The options of that call, with the defaults. */
  #options: MonitorOptions = {}
  /** The names of the options that a warning has called ignored since that call. */
  readonly #ignored = new Set<string>()
  /** The number of pending starts. A stopped one may still be pending when the next begins. */
  #starting = 0
  /** The promise of `stop` until everything is torn down. */
  #stopping: Deferred | null = null
  /** The number of stops. A start compares it, because it must not go on after a stop. */
  #stops = 0
  #referenced = true
  /** Keeps Node.js running, because the native callback is weak and does not. */
  #keepAlive: NodeJS.Timeout | null = null
  /** The counters of the last session that has ended. */
  #counters: Float64Array = new Float64Array(STATS_LENGTH)

  addReference(): this {
    this.#references++
    return this
  }

  initialize(options: MonitorOptions = {}): Promise<void> {
    this.#reminder.disable()
    let checked: CheckedOptions
    try {
      checked = checkOptions(options)
    } catch (error) {
      return Promise.reject(error as Error)
    }
    if (this.#initialized !== null) {
      this.#warnOfIgnored(options)
      return this.#initialized
    }
    this.#options = checked.effective
    this.#ignored.clear()
    const attempt: Promise<void> = this.#start(checked).catch((error: unknown) => {
      if (this.#initialized === attempt) this.#initialized = null
      throw error
    })
    this.#initialized = attempt
    return attempt
  }

  subscribeExec<const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    callback: ProcessCallback<EventOf<'exec', Fields>>,
    options?: SubscribeOptions<Fields>,
  ): Unsubscribe {
    return this.subscribe('exec', callback, options)
  }

  subscribeExit<const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    callback: ProcessCallback<EventOf<'exit', Fields>>,
    options?: SubscribeOptions<Fields>,
  ): Unsubscribe {
    return this.subscribe('exit', callback, options)
  }

  subscribe<T extends EventType, const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    type: T,
    callback: ProcessCallback<EventOf<T, Fields>>,
    options: SubscribeOptions<Fields> = {},
  ): Unsubscribe {
    return this.#registry.subscribe(type, callback, options)
  }

  events<T extends EventType = 'exec' | 'exit', const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    options: EventsOptions<T, Fields> = {},
  ): AsyncIterableIterator<EventOf<T, Fields>> & AsyncDisposable {
    return openStream(options, (...args) => this.#registry.subscribe(...args), this.#streams)
  }

  async waitForExit(pid: number, options: WaitOptions = {}): Promise<ExitEvent> {
    checkInteger('pid', pid, 1, PID_MAX_LIMIT)
    checkOptionsObject(options, WAIT_OPTIONS)
    const { signal, startTime } = options
    checkSignal(signal)
    if (startTime !== undefined) checkInteger('options.startTime', startTime, 0, Number.MAX_SAFE_INTEGER)
    if (signal?.aborted === true) throw abortError(signal)
    if (this.#initialized === null) throw notInitializedError()
    const wait = this.#waits.begin(pid, startTime, signal)
    // Wait for the bootstrap scan. Before its end, live events and watch results are not in one order.
    this.#initialized
      .then(() => wait.isPending && this.#session?.watchExit(wait.id, pid, startTime))
      .catch((error: unknown) => wait.reject(error))
    return wait.promise
  }

  async flush(): Promise<void> {
    if (this.#initialized === null) throw notInitializedError()
    const { id, promise } = this.#flushes.begin()
    this.#initialized
      .then(() => this.#flushes.isPending(id) && this.#session?.flush(id))
      .catch((error: ProcessMonitorError) => this.#flushes.reject(id, error))
    return promise
  }

  stop(): Promise<void> {
    if (this.#references > 0) this.#references--
    if (this.#references > 0) return Promise.resolve()
    this.#stops++
    this.#initialized = null
    if (this.#session !== null && this.#stopping === null) {
      this.#stopping = deferred()
      this.#updateKeepAlive()
      this.#session.stop()
    }
    // Clear after the session's stop, so that it does not receive each rule's removal.
    this.#registry.clear()
    this.#notifyStopListeners(null)
    return this.#stopping?.promise ?? Promise.resolve()
  }

  stats(): MonitorStats {
    const counters = this.#session?.counters() ?? this.#counters
    const counter = (index: number): number => counters[index]!
    const gauge = (index: number): number => (this.#session === null ? 0 : counters[index]!)
    return {
      source: this.#session?.kind ?? null,
      watching: WATCHING[gauge(23)] ?? null,
      unseen: counter(21),
      exitsWithoutStatus: counter(22),
      events: counter(0),
      exec: counter(1),
      exit: counter(2),
      restart: counter(3),
      reinitFailed: counter(4),
      processScanFailed: counter(5),
      callbackExecuted: this.#registry.executed,
      lostSocket: counter(6),
      lostQueue: counter(7),
      resync: counter(8),
      rejected: counter(13),
      ignored: counter(14),
      captureTimeouts: counter(16),
      detailsDropped: counter(18),
      usageLost: counter(24),
      batches: counter(19),
      largestBatch: counter(20),
      queueDepth: gauge(9),
      queueHighWater: counter(10),
      receiveBufferSize: gauge(11),
      trackedProcesses: gauge(12),
      stuckThreads: gauge(17),
      priority: this.#session === null ? null : (PRIORITIES[counter(15)] ?? 'ordinary'),
      references: this.#references,
    }
  }

  ref(): this {
    this.#referenced = true
    this.#updateKeepAlive()
    return this
  }

  unref(): this {
    this.#referenced = false
    this.#updateKeepAlive()
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #warnOfIgnored(options: MonitorOptions): void {
    const ignored = differingOptions(options, this.#options)
    // Warn of each option once, because a program may call initialize() often.
    if (ignored.every((name) => this.#ignored.has(name))) return
    for (const name of ignored) this.#ignored.add(name)
    warnOfIgnoredOptions(ignored)
  }

  async #start(checked: CheckedOptions): Promise<void> {
    const stops = this.#stops
    this.#starting++
    this.#updateKeepAlive()
    try {
      if (this.#stopping !== null) await this.#stopping.promise
      if (stops !== this.#stops) throw stoppedError()
      await this.#open(checked)
    } finally {
      this.#starting--
      this.#updateKeepAlive()
    }
  }

  async #open({ native, effective }: CheckedOptions): Promise<void> {
    let ready = false
    const record = new RecordView(effective.redact ?? null, throwUncaught, () => this.#interest.fields)
    const session: Session = new Session(load(), { ...native, rules: this.#interest.list() }, true, {
      onEvent: (buffer, at) => {
        record.seek(buffer, at)
        publishEvent(record)
        this.#registry.dispatch(record)
        this.#waits.dispatch(record)
      },
      onScanFinished: (id) => this.#registry.onScanFinished(id),
      onWatchResult: (id, result) => this.#waits.onWatchResult(id, result),
      onFlushed: (id) => this.#flushes.onFlushed(id),
      onLoss: (report) => {
        publishLoss(report)
        this.#emit('loss', report)
      },
      onRestart: (error) => this.#emit('restart', error),
      onFallback: (reason) => warnOfFallback(reason, this.stats().watching),
      onClosed: (failure) => this.#onClosed(session, ready ? failure : null),
    })
    this.#session = session
    this.#registry.executed = 0
    await session.ready()
    ready = true
  }

  /** Handles the end of a session. `failure` is null after a stop, and if a pending `initialize` rejects with it. */
  #onClosed(session: Session, failure: ProcessMonitorError | null): void {
    this.#counters = session.counters()
    this.#session = null
    const stopping = this.#stopping
    this.#stopping = null
    this.#updateKeepAlive()
    if (stopping !== null) return stopping.resolve()
    this.#registry.onSourceEnd()
    if (failure === null) return
    this.#initialized = null
    const stops = this.#stops
    const isReported = this.#notifyStopListeners(failure)
    // Emit in the next tick, so that an error without a listener is thrown with no code of this package on the stack.
    process.nextTick(() => {
      if (stops !== this.#stops || (isReported && this.listenerCount('error') === 0)) return
      this.emit('error', failure)
    })
  }

  /** Returns true if a listener was notified. */
  #notifyStopListeners(failure: ProcessMonitorError | null): boolean {
    const pending = [this.#waits, this.#flushes].filter(({ size }) => size > 0)
    const stopListeners: StopListener[] = [...this.#streams, ...pending]
    for (const listener of stopListeners) listener.onMonitorEnd(failure)
    return stopListeners.length > 0
  }

  #emit<K extends 'loss' | 'restart'>(name: K, ...about: MonitorEvents[K]): void {
    try {
      ;(this as EventEmitter).emit(name, ...about)
    } catch (error) {
      throwUncaught(error)
    }
  }

  /** Starting and stopping always keep Node.js running, because callers wait for their promises. */
  #updateKeepAlive(): void {
    const keepsAlive = this.#starting > 0 || this.#stopping !== null || (this.#session !== null && this.#referenced)
    if (keepsAlive) {
      this.#keepAlive ??= setInterval(() => {}, TIMER_MAX_MS)
    } else if (this.#keepAlive !== null) {
      clearInterval(this.#keepAlive)
      this.#keepAlive = null
    }
    this.#session?.setKeepAlive(keepsAlive)
  }
}

const monitor = new Monitor()

/**
 * Returns the one monitor of this JavaScript environment. Each call takes a reference. Each `stop()` gives one back, and the
 * last one ends monitoring. Nothing is started before `initialize()`. This never throws.
 */
export function getProcessMonitor(): ProcessMonitor {
  return monitor.addReference()
}
