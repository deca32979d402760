/**
 * Tells when any process on a Linux machine starts a program or exits.
 *
 * ```ts
 * import { getProcessMonitor } from 'proc-events'
 *
 * const monitor = getProcessMonitor()
 * monitor.subscribeExec((pid, { process }) => console.log(pid, process.name), { capture: ['name'] })
 * monitor.subscribeExit((pid, { exitCode, signal }) => console.log(pid, exitCode ?? signal))
 * await monitor.initialize()
 * ```
 *
 * Importing it starts nothing and never fails, on any platform: what cannot be had is told when it is asked for.
 *
 * @packageDocumentation
 * @module proc-events
 */

import type { EventEmitter } from 'node:events'

/** A thread has changed its name. */
export declare interface CommEvent extends EventBase<'comm'> {
  /** The thread's id; the same as `pid` for the main thread. */
  readonly tid: number
  /** The new name, at most 15 bytes. */
  readonly comm: string
}

/** A process is dumping its memory because of a signal. */
export declare interface CoredumpEvent extends EventBase<'coredump'> {
  /** The parent's process id; null where not known. */
  readonly ppid: number | null
}

/** Why something failed, as {@link ProcessMonitorError.code}. */
export declare type ErrorCode =
  /** The kernel refuses this user. */
  | 'ERR_PERMISSION'
  /** This process is in a pid namespace of its own, where the kernel answers no listener. */
  | 'ERR_PID_NAMESPACE'
  /** This process is in a user namespace of its own, where the kernel answers no listener. */
  | 'ERR_USER_NAMESPACE'
  /** This process is in a network namespace of its own, and may not join the host's. */
  | 'ERR_NETWORK_NAMESPACE'
  /** The kernel was built without the process connector. */
  | 'ERR_CONNECTOR_UNAVAILABLE'
  /** Not Linux. */
  | 'ERR_UNSUPPORTED_PLATFORM'
  /** The package's native part is missing or cannot be loaded. */
  | 'ERR_NATIVE_BINDING'
  /** The proc file system cannot be read. */
  | 'ERR_PROC_UNREADABLE'
  /** Reading from the kernel failed in a way that is none of the others. */
  | 'ERR_SOURCE_FAILED'
  /** The function is already subscribed to this type of event. */
  | 'ERR_CALLBACK_REGISTERED'
  /** No such process is running. */
  | 'ERR_NO_SUCH_PROCESS'
  /** More events were waiting than the consumer's queue holds. */
  | 'ERR_QUEUE_OVERFLOW'
  /** The monitor was stopped first. */
  | 'ERR_STOPPED'

/** What is known of the cause of a {@link ProcessMonitorError}. */
declare interface ErrorDetails {
  readonly errno?: number | undefined
  readonly syscall?: string | undefined
  readonly cause?: unknown
}

/** What every event has. */
export declare interface EventBase<T extends EventType> {
  /** Which kind of event it is. */
  readonly type: T
  /** The process's id. */
  readonly pid: number
  /**
   * The kernel's time of the event: nanoseconds on CLOCK_MONOTONIC, comparable with process.hrtime.bigint(). Exact up
   * to 2**53 (104 days after boot), later to the nearest number that can be represented (2 ns, then 4 ns).
   */
  readonly timestampNs: number
  /** `'kernel'`: reported live. The others were concluded from a /proc snapshot. */
  readonly origin: 'kernel' | 'bootstrap' | 'resync' | 'polling'
  /**
   * What was captured at exec (or at the scan). Empty where nothing was asked for, or where the process's exec was not
   * seen.
   */
  readonly process: ProcessInfo
}

/** The event of one type. */
export declare type EventOf<T extends EventType> = Extract<
  ProcessEvent,
  {
    type: T
  }
>

/** What an iterator is to give, and with which details. */
export declare interface EventsOptions<T extends EventType> extends SubscribeOptions {
  /** The types of event, at least one. Default: `['exec', 'exit']`. */
  readonly types?: readonly T[]
  /**
   * Events held for a slow consumer at most, at least 1. Default: 65,536. Past it the iterator rejects with
   * `ERR_QUEUE_OVERFLOW`.
   */
  readonly queueSize?: number
}

/**
 * The public types of what is reported: the events, and the details of a process.
 * Every pid is a process id (the kernel's tgid) in the initial pid namespace; threads are never reported as processes.
 */
/** The kinds of event, named as the kernel's process connector names them. */
export declare type EventType = 'fork' | 'exec' | 'exit' | 'comm' | 'uid' | 'gid' | 'sid' | 'ptrace' | 'coredump'

/** A process has started a program. */
export declare interface ExecEvent extends EventBase<'exec'> {}

/** A process has exited. */
export declare interface ExitEvent extends EventBase<'exit'> {
  /**
   * The exit code; null where a signal ended the process. As child_process reports it: of this and `signal` one is null.
   * Both are null where the kernel's own report was lost.
   */
  readonly exitCode: number | null
  /** The signal that ended the process; null where it exited. A real-time signal is named `'SIGRTMIN+n'`. */
  readonly signal: NodeJS.Signals | null
  /** Whether the kernel dumped the process's memory. */
  readonly coreDumped: boolean
  /** The parent's process id; null where not known. */
  readonly ppid: number | null
  /** Nanoseconds since the last exec that was seen; null where none was. */
  readonly durationNs: number | null
}

/**
 * The pids among the keys whose process has terminated: it is gone, a zombie, or its number is only a thread's by now.
 * One look at /proc, at once; the input is not changed. No monitor needs to run.
 *
 * @param pids - a Map or a Set by pid, or whatever else has such `keys()`.
 * @param options - `procRoot`: where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`.
 * @throws {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` where /proc cannot be read, `ERR_UNSUPPORTED_PLATFORM` or
 * `ERR_NATIVE_BINDING` where the native part cannot be had.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for arguments or keys that are not as typed.
 */
export declare function findDeletedProcesses(
  pids: Pick<ReadonlyMap<number, unknown>, 'keys'>,
  options?: {
    readonly procRoot?: string
  },
): Set<number>

/** A process has been created; `pid` is the new one. */
export declare interface ForkEvent extends EventBase<'fork'> {
  /** The process that created it. */
  readonly ppid: number
}

/**
 * The one monitor of this JavaScript environment. Each call takes a reference; each `stop()` gives one back, and the
 * last of them ends monitoring. Nothing is started, and no call fails, before `initialize()`.
 */
export declare function getProcessMonitor(): ProcessMonitor

/** A process has changed its group ids. */
export declare interface GidEvent extends EventBase<'gid'> {
  /** Real group id. */
  readonly rgid: number
  /** Effective group id. */
  readonly egid: number
}

/** A hole in what was received, and what was done about it. */
export declare interface LossReport {
  /** Who dropped the events: the kernel's socket, or the queue to JavaScript. */
  readonly cause: 'socket' | 'queue'
  /** How many events were lost, at least; 0 where losses that were told of before have been made right only now. */
  readonly lost: number
  /** Exec events (`origin: 'resync'`) that made it right again. */
  readonly recoveredExecs: number
  /** Exit events (`origin: 'resync'`) that made it right again. */
  readonly recoveredExits: number
}

/** What the monitor emits about itself. */
export declare interface MonitorEvents {
  /** Events were lost (by the kernel's socket or by the queue to JavaScript), and the process table was made right again. */
  loss: [LossReport]
  /** The source failed and was reopened. */
  restart: [ProcessMonitorError]
  /**
   * The source failed and could not be reopened: monitoring has ended, everything is torn down, `initialize` may be
   * called again, and subscriptions are kept. As with every emitter, it is thrown where nobody listens; but not if
   * `events()` or `waitForExit()` rejects with it.
   */
  error: [ProcessMonitorError]
}

/** How to monitor. */
export declare interface MonitorOptions {
  /**
   * Where events come from. `'netlink'` (the default): the kernel's process connector, or an error. `'polling'`: /proc
   * snapshots, which miss short-lived processes, but need no permission and work in containers. `'auto'`: netlink, else
   * polling with a process warning where netlink cannot be had, or has failed for good.
   */
  readonly source?: 'auto' | 'netlink' | 'polling'
  /** Milliseconds between snapshots when polling, at least 1. Default: 250. */
  readonly pollingInterval?: number
  /** Bytes asked for the socket's receive buffer, at least 1. Default: 8 MiB. What was granted is in `stats()`. */
  readonly receiveBufferSize?: number
  /** Events held for JavaScript at most, at least 1; past it the loss is counted, reported and made right. */
  readonly queueSize?: number
  /**
   * Bytes of text kept of the arguments of one process, 1 to 1,048,576. Default: 65,536. Each argument counts with the NUL
   * that ends it, and a byte that is not UTF-8 counts as the four of its `\xNN`. What is longer is cut, so that the last
   * argument may be a part, and `argvTruncated` is set.
   */
  readonly maxArgvBytes?: number
  /** Where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`. */
  readonly procRoot?: string
  /**
   * What is done to read the details of a process that ends at once. `'auto'` (the default): while something is
   * captured, a native thread on each CPU (of at most 16) is woken ahead of what calls exec there, with real-time
   * priority where that is permitted (`CAP_SYS_NICE` or `RLIMIT_RTPRIO`), else with a short time slice, which takes no
   * permission (Linux 6.12 and newer). `'ordinary'`: one thread, scheduled as any.
   */
  readonly priority?: 'auto' | 'ordinary'
  /** What becomes of arguments before anybody gets to see them. Default: they are shown as they are. */
  readonly redact?: Redact
}

/** Counters since `initialize`, zero before it; gauges as of now, zero while nothing is monitored. */
export declare interface MonitorStats {
  /** Gauge: where events come from; null while nothing is monitored. */
  readonly source: 'netlink' | 'polling' | null
  /** Events received. */
  readonly events: number
  /** Exec events received. */
  readonly exec: number
  /** Exit events received. */
  readonly exit: number
  /** Times the source was reopened. */
  readonly restart: number
  /** Times reopening the source failed. */
  readonly reinitFailed: number
  /** Times /proc could not be scanned. */
  readonly processScanFailed: number
  /** Callbacks called. */
  readonly callbackExecuted: number
  /** Events that the kernel's socket dropped. */
  readonly lostSocket: number
  /** Events that the queue to JavaScript dropped. */
  readonly lostQueue: number
  /** Resynchronisations run. */
  readonly resync: number
  /** Datagrams refused because they did not come from the kernel or were malformed. */
  readonly rejected: number
  /**
   * Reports of the kernel that were dropped: of an unknown kind, of an exec or exit that was reported before, or of a main
   * thread that made way for another thread's exec.
   */
  readonly ignored: number
  /**
   * Processes whose arguments were not read because the read did not return in time, or one of that process had not
   * before: it holds on to its memory, as with a file system that has stopped answering. They are null then.
   */
  readonly captureTimeouts: number
  /**
   * Events that were delivered without their arguments and working directory, because the texts that waited for
   * JavaScript took 64 MiB: `cwd` is null, `argv` is empty with `argvTruncated`, and no filter on `commandLine` holds.
   */
  readonly detailsDropped: number
  /** Gauge: events waiting for JavaScript. */
  readonly queueDepth: number
  /** The most events that ever waited for JavaScript. */
  readonly queueHighWater: number
  /** Gauge: bytes of the socket's receive buffer in effect. */
  readonly receiveBufferSize: number
  /** Gauge: live processes known. */
  readonly trackedProcesses: number
  /** Gauge: threads of this program that are still in a read that did not return in time. Nothing waits for them. */
  readonly stuckThreads: number
  /** Gauge: how details are read (see {@link MonitorOptions.priority}); null while nothing is monitored. */
  readonly priority: 'ordinary' | 'short-slice' | 'realtime' | null
  /** References taken by `getProcessMonitor()` and not given back. */
  readonly references: number
}

/**
 * The attributes of the process registry (all of them of the stability "development"), of `container.id`, and one of
 * this package's own. One is absent where it was not captured, or could not be read.
 */
export declare interface OpenTelemetryAttributes {
  /** The process's id. */
  readonly 'process.pid': number
  /** The parent's process id. */
  readonly 'process.parent_pid'?: number
  /** The path of the program's file. */
  readonly 'process.executable.path'?: string
  /** The last part of that path; where only the process's name was captured, that. */
  readonly 'process.executable.name'?: string
  /** argv[0]. */
  readonly 'process.command'?: string
  /** All of argv, argv[0] too. Only if `arguments` was asked for. */
  readonly 'process.command_args'?: string[]
  /** The length of argv; absent where its end is missing. */
  readonly 'process.args_count'?: number
  /** The working directory. */
  readonly 'process.working_directory'?: string
  /** Real user id. */
  readonly 'process.real_user.id'?: number
  /** The path alone. */
  readonly 'process.linux.cgroup'?: string
  /** The container's id, where the cgroup path carries one. */
  readonly 'container.id'?: string
  /** ISO 8601. Exact to some 20 ms: the kernel counts in hundredths of a second. */
  readonly 'process.creation.time'?: string
  /** ISO 8601. */
  readonly 'process.exit.time'?: string
  /** The exit code; absent where a signal ended the process. */
  readonly 'process.exit.code'?: number
  /** This package's own, as the conventions have none: the name of the signal that ended the process. */
  readonly 'process.exit.signal'?: string
}

/**
 * An event in the shape of OpenTelemetry's log record, which `logger.emit()` of `@opentelemetry/api-logs` takes as it is.
 */
export declare interface OpenTelemetryEvent {
  /** `proc_events.exec`, `proc_events.exit` and so on: this package's own, as the conventions have no names for them. */
  readonly eventName: string
  /** When it happened: milliseconds since 1970, as `Date.now()` gives them, with a fraction. */
  readonly timestamp: number
  /** What is known, and nothing that is not. */
  readonly attributes: OpenTelemetryAttributes
}

/** What goes into an {@link OpenTelemetryEvent}. */
export declare interface OpenTelemetryOptions {
  /**
   * Whether to tell the arguments, `process.command_args`. The conventions ask not to collect them by default, unless
   * something takes out what is confidential: see `redact` in {@link MonitorOptions}. Default: false.
   */
  readonly arguments?: boolean
}

/**
 * What this environment can do, without starting anything: for an application's own diagnostics. Never rejects for what
 * it finds out, but for arguments that are not as typed.
 *
 * @param options - `procRoot`: where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`.
 */
export declare function probe(options?: { readonly procRoot?: string }): Promise<ProbeReport>

/** What this environment can do. */
export declare interface ProbeReport {
  /** Whether the kernel's process connector can be had. */
  readonly netlink: boolean
  /** Whether /proc can be polled, and shows the processes of all users. */
  readonly polling: boolean
  /** Why netlink cannot be had. */
  readonly reason?: ErrorCode
  /** What to do about it, in one sentence. */
  readonly hint?: string
  /** The kernel's release, as `uname -r` prints it. */
  readonly kernel: string
}

/**
 * What a subscription calls, with the process's id and the event. One event object is shared by all callbacks that get
 * the event: it is to be read only.
 */
export declare type ProcessCallback<E extends ProcessEvent = ProcessEvent> = (pid: number, event: E) => void

/** Any event, told apart by `type`. */
export declare type ProcessEvent =
  ForkEvent | ExecEvent | ExitEvent | CommEvent | UidEvent | GidEvent | SidEvent | PtraceEvent | CoredumpEvent

/** The details of a process that {@link SubscribeOptions.capture} may name. */
export declare type ProcessField = 'name' | 'ppid' | 'exe' | 'argv' | 'cwd' | 'uid' | 'gid' | 'cgroup' | 'startTime'

/**
 * Which processes. All that are given must hold. For events after exec they are judged on what was saved at the
 * process's exec (or at the scan), since /proc has nothing left at exit: a process whose exec was not seen matches no
 * filter, and neither does one whose detail could not be read. A string must be equal, a RegExp must match somewhere;
 * it is tried from the start each time, whatever its flags and `lastIndex`.
 */
export declare interface ProcessFilter {
  /** The process name: the kernel's comm, completed from argv[0] or the exe where the kernel cut it at 15 bytes. */
  readonly name?: string | RegExp
  /** The path of the program's file. */
  readonly exe?: string | RegExp
  /** argv joined by spaces. */
  readonly commandLine?: string | RegExp
  /** Real user id. */
  readonly uid?: number
  /** cgroup path (v2, or the v1 hierarchy that names the container). */
  readonly cgroup?: string | RegExp
  /**
   * Only the descendants of the process that has this pid when this is asked for (not that process itself). They are
   * followed from their creation, through every fork, whoever becomes their parent later, and after the ancestor has
   * ended. Of those that run already, the ones are found that a line of living parents, or their session, leads to.
   * This alone is also judged where a process's exec was not seen.
   *
   * One way out is not followed: a descendant whose parent has ended may create a process by `clone` with
   * `CLONE_PARENT`. That process is a child of init, or of a subreaper, and the kernel reports its parent, not its creator.
   */
  readonly ancestor?: number
}

/** What is known of a process. A field is undefined where not asked for, null where it could not be read any more. */
export declare interface ProcessInfo {
  /** The process name: the kernel's comm, completed from argv[0] or the exe where the kernel cut it at 15 bytes. */
  readonly name?: string | null
  /** The parent's process id. */
  readonly ppid?: number | null
  /** The path of the program's file. */
  readonly exe?: string | null
  /** The arguments, the program's own name first. Bytes that are not UTF-8 stand as `\xNN`. */
  readonly argv?: string[] | null
  /** Present, and true, where `argv` was too long and its end is missing. */
  readonly argvTruncated?: true
  /** The working directory. */
  readonly cwd?: string | null
  /** Real user id. */
  readonly uid?: number | null
  /** Real group id. */
  readonly gid?: number | null
  /** cgroup path (v2, or the v1 hierarchy that names the container). */
  readonly cgroup?: string | null
  /** The container's id, where the cgroup path carries one, else null (comes with 'cgroup'). */
  readonly containerId?: string | null
  /** When the process was created: clock ticks since boot, /proc/PID/stat's field 22. With the pid it is an identity. */
  readonly startTime?: number | null
}

/**
 * The one monitor of this JavaScript environment: it tells when any process of the machine starts a program or exits.
 *
 * Everybody who calls `getProcessMonitor()` shares it and holds one reference to it; the last `stop()` ends it. As an
 * event emitter it tells about the monitoring itself (see {@link MonitorEvents}); processes are reported to callbacks.
 */
export declare interface ProcessMonitor extends EventEmitter<MonitorEvents> {
  /**
   * Starts monitoring, once, however often it is called: later calls get the first call's promise, and their options
   * are ignored. In order: delivery is set up; the source is opened and acknowledged by the kernel; every process that
   * is already running is reported to the exec callbacks (`origin: 'bootstrap'`), each once, never twice with a live
   * event. Resolves when that scan has been delivered.
   *
   * While it is pending, Node.js is kept running. Called while a `stop()` is in progress, it waits for that first.
   * After a rejection everything has been torn down, subscriptions are kept, and it may be called again.
   *
   * @throws {@link ProcessMonitorError} (as a rejection) where monitoring cannot be had, its `code` telling why;
   * `ERR_STOPPED` where the last `stop()` came first.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` (as a rejection) for an option that is not
   * as {@link MonitorOptions} says.
   */
  initialize(options?: MonitorOptions): Promise<void>
  /**
   * Calls back whenever a process has started a program: `subscribe('exec', …)`.
   *
   * @returns what ends the subscription.
   */
  subscribeExec(callback: ProcessCallback<ExecEvent>, options?: SubscribeOptions): Unsubscribe
  /**
   * Calls back whenever a process has exited: `subscribe('exit', …)`.
   *
   * @returns what ends the subscription.
   */
  subscribeExit(callback: ProcessCallback<ExitEvent>, options?: SubscribeOptions): Unsubscribe
  /**
   * Calls back on every event of one type that passes the filter. May be called before or after `initialize`, and from
   * within a callback: a subscription made there starts with the next event.
   *
   * An exception that a callback throws surfaces as an `uncaughtException`; no other callback notices.
   *
   * @returns what ends the subscription.
   * @throws {@link ProcessMonitorError} `ERR_CALLBACK_REGISTERED` where this function is already subscribed to this type.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for an argument that is not as typed.
   */
  subscribe<T extends EventType>(
    type: T,
    callback: ProcessCallback<EventOf<T>>,
    options?: SubscribeOptions,
  ): Unsubscribe
  /**
   * Events as an async iterable, instead of callbacks. The subscription begins with this call, before or after
   * `initialize`, not with the first `next()`: nothing is missed in between.
   *
   * It ends where the loop is left, and when the monitor is stopped: that ends the loop, too, after what was held for
   * it. The iterator rejects, and has ended then, with
   * - an `AbortError` whose `cause` is the signal's reason, at once, when `signal` is aborted;
   * - `ERR_QUEUE_OVERFLOW` when more than `queueSize` events wait for the loop, after those that were held;
   * - the monitor's error when the source has failed for good, after those that were held. Where nobody listens to
   *   `'error'`, it is then not emitted.
   *
   * Several calls of `next()` at once are answered in their order.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for an option that is not as typed.
   */
  events<T extends EventType = 'exec' | 'exit'>(
    options?: EventsOptions<T>,
  ): AsyncIterableIterator<EventOf<T>> & AsyncDisposable
  /**
   * Resolves when that process, a child of this one or not, has exited. The monitor has to be initialized, or to be
   * about to be: then that is waited for. It listens from the call on, so that a process that ends at once is not missed.
   * Of one that has ended in the last second, or that its parent has not collected yet, the end is told with
   * `origin: 'resync'`: so it is never too late for a child that has just been spawned.
   *
   * @param pid - 1 to 4,194,304.
   * @param options - `signal`: gives up when aborted.
   * @throws {@link ProcessMonitorError} (as a rejection) `ERR_NO_SUCH_PROCESS` where no such process is running;
   * `ERR_STOPPED` where the monitor is not initialized, or is stopped first; the source's error where that fails for
   * good first, which is then not emitted where nobody listens to `'error'`.
   * @throws `AbortError` (as a rejection) when `signal` is aborted; its `cause` is the signal's reason.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` (as a rejection) for an argument that is
   * not as typed.
   */
  waitForExit(
    pid: number,
    options?: {
      readonly signal?: AbortSignal
    },
  ): Promise<ExitEvent>
  /**
   * Gives one reference back; there are never fewer than none. The last one ends monitoring and drops all
   * subscriptions: from that moment nothing is called any more, and a pending `initialize()` rejects with `ERR_STOPPED`.
   * Resolves once the native thread and its socket are gone; until then Node.js is kept running. Calls meanwhile get
   * the same promise. Afterwards `initialize` may start anew.
   *
   * Listeners added with `on()` are not subscriptions: they stay, and hear of the next start too.
   */
  stop(): Promise<void>
  /** The counters and gauges of now; all zero before `initialize`. Counters keep their last values after the end. */
  stats(): MonitorStats
  /** Has an initialized monitor keep Node.js running, as a server does. This is the default. */
  ref(): this
  /** Lets Node.js end although the monitor is initialized. Remembered across `stop()` and `initialize()`. */
  unref(): this
  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Monitoring cannot be had, or has failed. The message says what failed, then what to do about it. */
export declare class ProcessMonitorError extends Error {
  /** Why. */
  readonly code: ErrorCode
  /** The system's error number, negative as in Node.js's own system errors (`-1` is EPERM). Absent where none was given. */
  readonly errno?: number
  /** The system call that failed. Absent where none did. */
  readonly syscall?: string
  constructor(code: ErrorCode, message: string, details?: ErrorDetails)
}

/** A process is traced from now on, or no longer. */
export declare interface PtraceEvent extends EventBase<'ptrace'> {
  /** The process that traces it; null where tracing has ended. */
  readonly tracerPid: number | null
}

/**
 * Takes out of a process's arguments what nobody is to see, and returns what may be seen instead. It stands between the
 * native part and everybody, so it is given once, by whoever initializes the monitor, and holds for all callbacks,
 * iterators and channels. It is called once for each event that is delivered with arguments, however many receive it.
 *
 * Filters (`commandLine`) judge the arguments as they are. Where it throws, or returns anything but an array of strings,
 * `argv` is null, and the error surfaces as an `uncaughtException`.
 *
 * @param argv - the arguments, the program's own name first; a copy, which may be changed.
 * @param process - what else was captured of the process.
 * @returns the arguments to show.
 */
export declare type Redact = (argv: string[], process: ProcessInfo) => readonly string[]

/** A process has become the leader of a new session. */
export declare interface SidEvent extends EventBase<'sid'> {}

/** What to receive, and with which details. */
export declare interface SubscribeOptions extends ProcessFilter {
  /**
   * Details to read natively at exec time, at once, so that they outlive the process. Default: none, pid only.
   * An event carries what all subscriptions ask for together.
   */
  readonly capture?: readonly ProcessField[]
  /**
   * For `'exec'` after `initialize`: first report the processes already running, each once, as `initialize` does it for
   * those who had subscribed before (`origin: 'bootstrap'`). Only this subscription hears of them. Live events follow;
   * but a process that starts and ends before all have been reported may be told in between. Default: false.
   *
   * Before `initialize` has begun to report it adds nothing, since that reports them in any case. For other types it means
   * nothing, so that the options of several subscriptions can be one object.
   */
  readonly replay?: boolean
  /** Ends the subscription when aborted. Where it is aborted already, nothing is subscribed. */
  readonly signal?: AbortSignal
}

/**
 * An event in the words of OpenTelemetry's semantic conventions. It takes no other package, and reads nothing of the
 * process: what the attributes are to tell has to be captured.
 *
 * Times of day are worked out from the monotonic clock as of now. For an event that has been kept while the machine slept
 * or the clock was set they are off by that. `process.command_line` is never told: the conventions ask not to assemble it.
 *
 * @param event - as a callback, an iterator or a channel received it.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for an argument that is not as typed.
 */
export declare function toOpenTelemetry(event: ProcessEvent, options?: OpenTelemetryOptions): OpenTelemetryEvent

/** A process has changed its user ids. */
export declare interface UidEvent extends EventBase<'uid'> {
  /** Real user id. */
  readonly ruid: number
  /** Effective user id. */
  readonly euid: number
}

/**
 * Ends one subscription: once it returns, the callback is not called again, though events may be on their way. Further
 * calls do nothing. `using` calls it at the end of the block.
 */
export declare interface Unsubscribe {
  (): void
  /** The same, for `using`. */
  [Symbol.dispose](): void
}

export {}
