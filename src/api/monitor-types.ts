/** The public types of the monitor: its methods, its callbacks, and the events that it emits about itself. */
import type { EventEmitter } from 'node:events'
import type { ProcessMonitorError } from './errors.js'
import type { EventOf, EventType, ExitEvent, ProcessEvent, ProcessField } from './event-types.js'
import type { EventsOptions, MonitorOptions, SubscribeOptions } from './options.js'
import type { MonitorStats } from './stats.js'

/**
 * The one monitor of this JavaScript environment. It reports when any process of the machine starts a program or exits.
 *
 * Every call of `getProcessMonitor()` returns this monitor and takes one reference to it. The last `stop()` ends it.
 * Processes are reported to callbacks. As an event emitter, the monitor reports on itself (see {@link MonitorEvents}). A
 * listener for another event, such as `on('exec', …)`, would never be called: that is a TypeError `ERR_INVALID_ARG_VALUE`.
 */
export interface ProcessMonitor extends EventEmitter<MonitorEvents> {
  /**
   * Starts monitoring. Later calls return the promise of the first call. Their options are ignored, with a process warning if
   * they differ from those of the first call.
   *
   * The steps are, in order:
   * 1. Delivery to JavaScript is set up.
   * 2. The source is opened, and the kernel acknowledges it.
   * 3. Every running process is reported to the exec callbacks (`origin: 'bootstrap'`): once, and never twice with a live
   *    event.
   *
   * The promise resolves when this scan has been delivered. While it is pending, Node.js is kept running. A call during a
   * `stop()` in progress waits for the end of that first. After a rejection nothing is left running, subscriptions are kept,
   * and `initialize` may be called again.
   *
   * ```ts
   * const monitor = getProcessMonitor()
   * monitor.subscribeExec((pid) => console.log(pid))
   * await monitor.initialize({ source: 'auto' })
   * ```
   *
   * @throws a {@link ProcessMonitorError} (as a rejection) if monitoring is unavailable; its `code` gives the reason.
   * `ERR_STOPPED` if the last `stop()` comes first.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE` (as a rejection),
   * for an option that {@link MonitorOptions} does not allow.
   */
  initialize(options?: MonitorOptions): Promise<void>

  /**
   * Calls back whenever a process starts a program. Short for `subscribe('exec', …)`.
   *
   * No event is reported before {@link ProcessMonitor.initialize} is called. It first reports every process that already runs
   * (`origin: 'bootstrap'`). A subscription made after it receives those with `replay: true` only.
   *
   * @returns a function that ends the subscription.
   */
  subscribeExec<const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    callback: ProcessCallback<EventOf<'exec', Fields>>,
    options?: SubscribeOptions<Fields>,
  ): Unsubscribe

  /**
   * Calls back whenever a process exits. Short for `subscribe('exit', …)`.
   *
   * No event is reported before {@link ProcessMonitor.initialize} is called.
   *
   * @returns a function that ends the subscription.
   */
  subscribeExit<const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    callback: ProcessCallback<EventOf<'exit', Fields>>,
    options?: SubscribeOptions<Fields>,
  ): Unsubscribe

  /**
   * Calls back on every event of one type that passes the filter. It may be called before or after `initialize`, and within
   * a callback. A subscription made within a callback starts with the next event.
   *
   * No event is reported before {@link ProcessMonitor.initialize} is called. It first reports every process that already runs
   * to the subscriptions to `'exec'` (`origin: 'bootstrap'`).
   *
   * An exception in a callback surfaces as an `uncaughtException`, and no other callback notices it.
   *
   * ```ts
   * const unsubscribe = monitor.subscribe('exec', (pid, { process }) => console.log(pid, process.argv), {
   *   name: 'node',
   *   capture: ['argv'],
   * })
   * ```
   *
   * @returns a function that ends the subscription.
   * @throws a {@link ProcessMonitorError} `ERR_CALLBACK_REGISTERED` if this function is already subscribed to this type.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE`, for an argument
   * that is not as typed.
   */
  subscribe<T extends EventType, const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    type: T,
    callback: ProcessCallback<EventOf<T, Fields>>,
    options?: SubscribeOptions<Fields>,
  ): Unsubscribe

  /**
   * Returns events as an async iterable, instead of callbacks. The subscription begins with this call, not with the first
   * `next()`, so that no event is missed in between. It may be called before or after `initialize`.
   *
   * No event is reported before {@link ProcessMonitor.initialize} is called. It first reports every process that already runs,
   * as events of the type `'exec'` (`origin: 'bootstrap'`).
   *
   * The subscription ends when the loop is left. It also ends when the monitor is stopped; the loop then ends after the
   * queued events. The iterator rejects once, and has ended then, with:
   * - an `AbortError`, at once, when `signal` is aborted; its `cause` is the signal's reason;
   * - `ERR_QUEUE_OVERFLOW`, after the queued events, when more than `queueSize` events wait for the loop;
   * - the monitor's error, after the queued events, when the source has failed for good. If `'error'` has no listener, the
   *   monitor does not emit this error as well.
   *
   * Several pending calls of `next()` are answered in order.
   *
   * ```ts
   * await monitor.initialize()
   * for await (const { pid, exitCode } of monitor.events({ types: ['exit'] })) console.log(pid, exitCode)
   * ```
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE`, for an option
   * that is not as typed.
   */
  events<T extends EventType = 'exec' | 'exit', const Fields extends readonly ProcessField[] = readonly ProcessField[]>(
    options?: EventsOptions<T, Fields>,
  ): AsyncIterableIterator<EventOf<T, Fields>> & AsyncDisposable

  /**
   * Resolves when the process has exited. The process need not be a child of this one.
   *
   * The monitor must be initialized. If `initialize()` is still pending, this waits for it. Exits are recorded from the call
   * on, so that a short-lived process is not missed. If the process exited less than a second ago, or is a zombie, the promise
   * resolves with that exit (`origin: 'resync'`). So the call is never too late for a child that has just been spawned.
   *
   * ```ts
   * const { exitCode, signal } = await monitor.waitForExit(child.pid)
   * ```
   *
   * @param pid - 1 to 4,194,304.
   * @param options - `signal`: ends the wait when aborted. Default: none. `startTime`: the process's
   * {@link ProcessInfo.startTime}; another process with the same pid does not count. Default: any process with this pid.
   * @throws a {@link ProcessMonitorError} (as a rejection):
   * - `ERR_NO_SUCH_PROCESS` if no process with this pid is running;
   * - `ERR_STOPPED` if the monitor is not initialized, or is stopped first;
   * - the source's error if the source fails for good first. If `'error'` has no listener, the monitor does not emit this
   *   error as well.
   * @throws `AbortError` (as a rejection) when `signal` is aborted; its `cause` is the signal's reason.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE` (as a rejection),
   * for an argument that is not as typed.
   */
  waitForExit(pid: number, options?: WaitOptions): Promise<ExitEvent>

  /**
   * Resolves when all that the kernel had reported before this call has been delivered. Lost events have been repaired then,
   * and replays that were requested before have been delivered. With the polling source, a snapshot is taken first. Use it in
   * tests, and before a shutdown.
   *
   * The kernel reports an exit just after the parent may have reaped the process. The call therefore waits, for a second at most,
   * for the exits of programs that were gone before it.
   *
   * All callbacks have been called then. The events of an iterator are in its queue then, because its loop takes them later. A
   * loop has handled all of them when it ends after a `stop()`.
   *
   * The monitor must be initialized. If `initialize()` is still pending, this waits for it.
   *
   * ```ts
   * spawnSync('true')
   * await monitor.flush() // Its exec and its exit have been delivered.
   * ```
   *
   * @throws a {@link ProcessMonitorError} (as a rejection): `ERR_STOPPED` if the monitor is not initialized, or is stopped first;
   * the source's error if the source fails for good first.
   */
  flush(): Promise<void>

  /**
   * Gives one reference back. The count never falls below zero.
   *
   * The last reference ends monitoring and drops all subscriptions. From that moment no callback is called, and a pending
   * `initialize()` rejects with `ERR_STOPPED`. The promise resolves when the native thread and its socket are gone, and
   * Node.js is kept running until then. Calls in the meantime return the same promise. Afterwards `initialize` may start
   * monitoring again.
   *
   * Listeners added with `on()` are not subscriptions. They stay, and also receive the events of the next start.
   */
  stop(): Promise<void>

  /** Returns the current counters and gauges. Before `initialize` all are zero. Counters keep their last values after the end. */
  stats(): MonitorStats

  /** Keeps Node.js running while the monitor is initialized, as a server does. This is the default. */
  ref(): this

  /** Lets Node.js end while the monitor is initialized. The setting outlasts `stop()` and `initialize()`. */
  unref(): this

  /** Calls `stop()`, for `await using`. That needs Node.js 24 or newer, or a compiler, such as TypeScript's. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of {@link ProcessMonitor.waitForExit}. */
export interface WaitOptions {
  /** Ends the wait when aborted. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * The process's start time, see {@link ProcessInfo.startTime}. Default: any process with this pid.
   *
   * The start time of a process that has exited before the call may be unknown. Then the last exit of the pid counts.
   */
  readonly startTime?: number | undefined
}

/**
 * Ends one subscription. After it returns, the callback is not called again, even if events are queued. Further calls do
 * nothing. `using` calls it at the end of the block: with Node.js 24 or newer, or a compiler, such as TypeScript's.
 */
export interface Unsubscribe {
  (): void
  /** Ends the subscription, for `using`. */
  [Symbol.dispose](): void
}

/**
 * The callback of a subscription. It receives the process's id and the event. All callbacks that receive an event share one
 * object, so treat it as read-only.
 */
export type ProcessCallback<E extends ProcessEvent = ProcessEvent> = (pid: number, event: E) => void

/** Events that the monitor emits about itself. */
export interface MonitorEvents {
  /**
   * The kernel's socket, or the queue to JavaScript, dropped events. The process table has been repaired from /proc since
   * then.
   */
  loss: [LossReport]
  /** The source failed and was reopened. */
  restart: [ProcessMonitorError]
  /**
   * The source failed and could not be reopened. Monitoring has ended and nothing is left running. Subscriptions are kept,
   * and `initialize` may be called again.
   *
   * As with every emitter, the error is thrown if the event has no listener. It is not thrown if `events()` or
   * `waitForExit()` rejects with it.
   */
  error: [ProcessMonitorError]
}

/** A gap in the events received, and its repair. */
export interface LossReport {
  /** The place where events were dropped. `'socket'`: in the kernel's socket. `'queue'`: in the queue to JavaScript. */
  readonly cause: 'socket' | 'queue'
  /** The least number of events lost. 0: this report only adds the repair of losses reported before. */
  readonly lost: number
  /** Exec events (`origin: 'resync'`) that the repair added. */
  readonly recoveredExecs: number
  /** Exit events (`origin: 'resync'`) that the repair added. */
  readonly recoveredExits: number
}
