/**
 * Reports when any process on a Linux machine starts a program or exits.
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
 * Importing the package starts nothing and never fails, on any platform. Errors are reported by the calls that need the
 * native part.
 *
 * @packageDocumentation
 * @module proc-events
 */

import type { EventEmitter } from 'node:events'

/** The cost of an exit, if `capture` names `'usage'`. null: it is unknown. */
export declare type CapturedCost<Field extends ProcessField> = 'usage' extends Field
  ? {
      /** The cost of the process. null: it is unknown. */
      readonly usage: ResourceUsage | null
    }
  : unknown

/** The fields that a tuple of literals is sure to name. An element that may be one of several fields counts as none. */
export declare type CapturedField<Fields extends readonly ProcessField[]> = number extends Fields['length']
  ? never
  : [OnlyMember<Fields>] extends [never]
    ? never
    : {
        readonly [I in keyof Fields]: OnlyMember<Fields[I]>
      }[number]

/** The details that are captured if `capture` names these fields. null: it could not be read. */
export declare type CapturedInfo<Field extends ProcessField> = Required<
  Pick<ProcessInfo, Exclude<Field, 'usage'> | (Field extends 'cgroup' ? 'containerId' : never)>
>

/** A trace. Write it with `JSON.stringify` to a file that is named `*.trace.json`. */
export declare interface ChromeTrace {
  /** The unit that viewers show. */
  readonly displayTimeUnit: 'ms'
  /** Where and when the trace was made, and how much it does not show. */
  readonly otherData: Readonly<Record<string, string | number | null>>
  /** The events of the trace. */
  readonly traceEvents: readonly ChromeTraceEvent[]
}

/** An event in the Trace Event Format. */
export declare interface ChromeTraceEvent {
  /** `X`: a slice. `M`: a name. `C`: a counter. `s` and `f`: an arrow. `i`: a moment. */
  readonly ph: 'X' | 'M' | 'C' | 's' | 'f' | 'i'
  /** The text of the event. */
  readonly name: string
  /** The group of lanes: always 1. */
  readonly pid: 1
  /** The lane, from 1 on. It is no thread: processes that do not overlap share a lane. */
  readonly tid?: number
  /** Microseconds since the first process began. */
  readonly ts?: number
  /** The length of a slice, in microseconds. */
  readonly dur?: number
  /** The kind of the event: `process`, `program`, `fork`, `loss`; `failed` for a process that failed. */
  readonly cat?: string
  /** The number that both ends of an arrow have. */
  readonly id?: number
  /** The end of an arrow belongs to the slice around it. */
  readonly bp?: 'e'
  /** The scope of a moment: the whole trace. */
  readonly s?: 'g'
  /** The colour in chrome://tracing. */
  readonly cname?: string
  /** The details that viewers show. */
  readonly args?: Readonly<Record<string, unknown>>
}

/** Options of {@link toChromeTrace}. */
export declare interface ChromeTraceOptions {
  /** The shortest lifetime that is shown, in milliseconds. Default: 0. Ancestors of processes shown are shown, too. */
  readonly minDurationMs?: number | undefined
}

/** A thread has changed its name. */
export declare interface CommEvent extends EventBase<'comm'> {
  /** The thread's id. For the main thread it equals `pid`. */
  readonly tid: number
  /** The new name, at most 15 bytes. */
  readonly comm: string
}

/** A process is dumping its memory because of a signal. */
export declare interface CoredumpEvent extends EventBase<'coredump'> {
  /** The parent's process id. null: unknown. */
  readonly ppid: number | null
}

/** The reason of a failure, as {@link ProcessMonitorError.code}. */
export declare type ErrorCode =
  /** The kernel or a sandbox refuses the process connector to this user. */
  | 'ERR_PERMISSION'
  /** This process is not in the initial pid namespace. The kernel does not answer listeners there. */
  | 'ERR_PID_NAMESPACE'
  /** This process is not in the initial user namespace. The kernel does not answer listeners there. */
  | 'ERR_USER_NAMESPACE'
  /** This process is not in the host's network namespace, and may not join it. */
  | 'ERR_NETWORK_NAMESPACE'
  /** The kernel was built without the process connector. */
  | 'ERR_CONNECTOR_UNAVAILABLE'
  /** The platform is not Linux. */
  | 'ERR_UNSUPPORTED_PLATFORM'
  /** The package's native part is missing or cannot be loaded. */
  | 'ERR_NATIVE_BINDING'
  /** The proc file system cannot be read. */
  | 'ERR_PROC_UNREADABLE'
  /** The proc file system shows another pid namespace, so that its pids are not those of this process. */
  | 'ERR_PROC_NAMESPACE'
  /** The source failed for a reason without a code of its own. */
  | 'ERR_SOURCE_FAILED'
  /** The function is already subscribed to this type of event. */
  | 'ERR_CALLBACK_REGISTERED'
  /** No such process is running. */
  | 'ERR_NO_SUCH_PROCESS'
  /** More events waited than the iterator's `queueSize`. */
  | 'ERR_QUEUE_OVERFLOW'
  /** The monitor was stopped first, or is not initialized. */
  | 'ERR_STOPPED'

/** The system error behind a {@link ProcessMonitorError}, as far as it is known. */
declare interface ErrorDetails {
  /** The system's error number, negative. undefined: no system call failed. */
  readonly errno?: number | undefined
  /** The system call that failed. undefined: none did. */
  readonly syscall?: string | undefined
  /** The underlying error. */
  readonly cause?: unknown
}

/** The properties that every event has. */
export declare interface EventBase<T extends EventType> {
  /** The type of the event. */
  readonly type: T
  /** The process's id. */
  readonly pid: number
  /**
   * The kernel's time of the event, in nanoseconds on CLOCK_MONOTONIC, comparable with `process.hrtime.bigint()`. It is
   * exact up to 2**53 (104 days after boot). Later it is rounded to the nearest representable number (2 ns, then 4 ns).
   */
  readonly timestampNs: number
  /**
   * The same moment as the time of day: milliseconds since the Unix epoch, as `Date.now()` counts, with a fraction. It is
   * computed when the event is delivered, so that it stays right after a suspend and after the clock has been set.
   */
  readonly timeMs: number
  /**
   * The way in which the event was detected. `'kernel'`: reported live by the kernel. `'bootstrap'`: a process that was running
   * before the scan. `'resync'`: repaired after a loss, or an exit that `waitForExit` found. `'polling'`: a change that
   * the polling source noticed by itself. All but `'kernel'` are synthesized from /proc.
   */
  readonly origin: 'kernel' | 'bootstrap' | 'resync' | 'polling'
  /**
   * The details captured at the exec (or at the scan). Empty if no subscription captures any. If the process's exec was not
   * seen, every captured detail is null.
   */
  readonly process: ProcessInfo
}

/**
 * The event of one type. `Fields` is the type of the option `capture`: of the details that it names as literals, none is
 * undefined.
 */
export declare type EventOf<T extends EventType, Fields extends readonly ProcessField[] = readonly ProcessField[]> = [
  CapturedField<Fields>,
] extends [never]
  ? Extract<
      ProcessEvent,
      {
        type: T
      }
    >
  : Extract<
      ProcessEvent,
      {
        type: T
      }
    > & {
      /** The details, of which the captured ones are not undefined. */
      readonly process: CapturedInfo<CapturedField<Fields>>
    } & ('exit' extends T ? CapturedCost<CapturedField<Fields>> : unknown)

/** Options of an iterator: the types of event, the processes to report, and the details to capture. */
export declare interface EventsOptions<
  T extends EventType,
  Fields extends readonly ProcessField[] = readonly ProcessField[],
> extends SubscribeOptions<Fields> {
  /** The types of event, at least one. Default: `['exec', 'exit']`. */
  readonly types?: readonly T[] | undefined
  /**
   * The most events that may wait for a slow loop: 1 to 2,147,483,647. Default: 65,536. Beyond it, the iterator rejects
   * with `ERR_QUEUE_OVERFLOW`. With `maxLatency`, the events of that time arrive at once.
   */
  readonly queueSize?: number | undefined
}

/**
 * The public types of the events and of the details of a process.
 * Every pid is a process id (the kernel's tgid) in the pid namespace that `/proc` shows. With the connector, that is the initial
 * one. Threads are never reported as processes.
 */
/** The types of event, named as the kernel's process connector names them. */
export declare type EventType = 'fork' | 'exec' | 'exit' | 'comm' | 'uid' | 'gid' | 'sid' | 'ptrace' | 'coredump'

/** A process has started a program. */
export declare interface ExecEvent extends EventBase<'exec'> {}

/** A process has exited. */
export declare interface ExitEvent extends EventBase<'exit'> {
  /**
   * The exit code, 0 to 255. null: a signal ended the process. As with `child_process`, either this or `signal` is null. Both
   * are null if the kernel's exit event was lost.
   */
  readonly exitCode: number | null
  /** The signal that ended the process. null: the process exited by itself. A real-time signal is named `'SIGRTMIN+n'`. */
  readonly signal: NodeJS.Signals | null
  /** True if the kernel dumped the process's memory. */
  readonly coreDumped: boolean
  /**
   * The parent's process id. The kernel does not know a parent that has reaped the process before the report. Then this is the
   * parent at the exec. null: no subscription captures a detail, so that one is not known either.
   */
  readonly ppid: number | null
  /**
   * Nanoseconds that the process ran: since its last exec that was seen, or, for one that ran before, since its start. null:
   * neither is known. A start is rounded down to a clock tick of 10 ms, and the time until the exit then includes suspends.
   */
  readonly durationNs: number | null
  /** The beginning of `durationNs`: the last exec, or the start of the process. null: `durationNs` is null. */
  readonly durationSince: 'exec' | 'start' | null
  /**
   * The cost of the process. undefined: no subscription captures `'usage'`. null: the kernel does not tell it, see
   * {@link ProbeReport.usage}, or it was lost, see {@link MonitorStats.usageLost}.
   */
  readonly usage?: ResourceUsage | null
}

/**
 * Returns the pids among the keys whose process has terminated: it is gone, it is a zombie, or its number now belongs to a
 * thread only. This reads /proc once, synchronously, and does not change the input. It needs no running monitor.
 *
 * ```ts
 * for (const pid of findDeletedProcesses(workers)) workers.delete(pid)
 * ```
 *
 * @param pids - a Map or a Set by pid, or another object with such `keys()`. An array is not accepted, because its keys are
 * indexes. The pids are 0 to 2,147,483,647.
 * @param options - `procRoot`: the mount point of the host's proc file system. Default: `$HOST_PROC`, or `/proc` if that is
 * not set.
 * @throws a {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` if /proc cannot be read. `ERR_PROC_NAMESPACE` if it is that of
 * another pid namespace. `ERR_UNSUPPORTED_PLATFORM` or `ERR_NATIVE_BINDING` if the native part is unavailable.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE`, for arguments or
 * keys that are not as typed.
 */
export declare function findDeletedProcesses(
  pids: Pick<ReadonlyMap<number, unknown>, 'keys'> & {
    readonly length?: never
  },
  options?: {
    readonly procRoot?: string | undefined
  },
): Set<number>

/**
 * A process has been created. `pid` is the new process. Of its details only `startTime` is captured, because it still runs its
 * parent's program.
 */
export declare interface ForkEvent extends EventBase<'fork'> {
  /** The pid of the process that created it. */
  readonly ppid: number
}

/**
 * Returns the one monitor of this JavaScript environment. Each call takes a reference. Each `stop()` gives one back, and the
 * last one ends monitoring. Nothing is started before `initialize()`. This never throws.
 */
export declare function getProcessMonitor(): ProcessMonitor

/** A process has changed its group ids. */
export declare interface GidEvent extends EventBase<'gid'> {
  /** The new real group id. */
  readonly rgid: number
  /** The new effective group id. */
  readonly egid: number
}

/** A gap in the events received, and its repair. */
export declare interface LossReport {
  /** The place where events were dropped. `'socket'`: in the kernel's socket. `'queue'`: in the queue to JavaScript. */
  readonly cause: 'socket' | 'queue'
  /** The least number of events lost. 0: this report only adds the repair of losses reported before. */
  readonly lost: number
  /** Exec events (`origin: 'resync'`) that the repair added. */
  readonly recoveredExecs: number
  /** Exit events (`origin: 'resync'`) that the repair added. */
  readonly recoveredExits: number
}

/** Events that the monitor emits about itself. */
export declare interface MonitorEvents {
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

/** Options of `initialize`. */
export declare interface MonitorOptions {
  /**
   * The source of events. Default: `'netlink'`.
   *
   * - `'netlink'`: the kernel's process connector. `initialize` rejects if it is unavailable.
   * - `'polling'`: what needs no permission, and works in containers. Where perf events can be had, the kernel reports each
   *   process by them. Elsewhere a thread looks at each new process id, and at a pidfd of each process. That misses some of the
   *   processes that live less than a millisecond. `stats().watching` says which.
   * - `'auto'`: netlink, or polling with a process warning if netlink is unavailable or has failed for good.
   */
  readonly source?: 'auto' | 'netlink' | 'polling' | undefined
  /**
   * The longest time in milliseconds between two looks of the polling source: 1 to 2,147,483,647. Default: 250.
   *
   * It looks more often in most cases, see `effort`. Where it can only take snapshots of /proc, this is the time between two.
   */
  readonly pollingInterval?: number | undefined
  /**
   * How hard the polling source looks for short-lived processes. Default: `'normal'`.
   *
   * | effort | wake-ups a second, idle | while processes start | sees most processes that live |
   * |---|---|---|---|
   * | `'low'` | 4 | 100 | 10 ms |
   * | `'normal'` | 10; 200 where the opening of programs cannot be watched | 1,000 | 1 ms |
   * | `'high'` | 1,000 | 4,000 | 1 ms, also where the opening of programs cannot be watched |
   *
   * An opened program and each exit wake it as well. Perf events wake it for each change of a process, and are not used with
   * `'low'`.
   */
  readonly effort?: 'low' | 'normal' | 'high' | undefined
  /**
   * Bytes requested for the socket's receive buffer: 1 to 2,147,483,647. Default: 8 MiB. `stats().receiveBufferSize` is
   * the size that the kernel granted.
   */
  readonly receiveBufferSize?: number | undefined
  /**
   * The most events that may wait for JavaScript: 1 to 2,147,483,647. Default: 65,536. Events beyond it are counted as lost, reported, and
   * repaired from /proc.
   */
  readonly queueSize?: number | undefined
  /**
   * The most bytes of text kept of the arguments of one process: 1 to 1,048,576. Default: 65,536.
   *
   * Each argument counts with the NUL that ends it. A byte that is not UTF-8 counts as the four bytes of its `\xNN`. Longer
   * arguments are cut, so that the last one may be incomplete, and `argvTruncated` is set.
   */
  readonly maxArgvBytes?: number | undefined
  /**
   * Milliseconds that an event may wait, so that several events share a wake-up: 0 to 10,000. Default: 0, each event at once.
   *
   * A wake-up costs more CPU time than an event. Metrics, logs and lists of processes need no event at once: 50 to 100 is a good
   * value for them. Subscriptions may ask for less ({@link SubscribeOptions.maxLatency}), and the shortest time counts, also
   * among worker threads. Calls such as `waitForExit`, `flush` and `stop` are never delayed. Details are captured at the exec
   * in any case. With `priority: 'ordinary'`, or with the polling source, events are not delayed while details are captured.
   */
  readonly maxLatency?: number | undefined
  /**
   * True: the scan at the start, and every `replay`, reports kernel threads as well. Default: false, because they never called
   * exec. Events of kernel threads, such as their exit, are reported in any case.
   */
  readonly kernelThreads?: boolean | undefined
  /** The mount point of the host's proc file system: a path, not empty. Default: `$HOST_PROC`, or `/proc` if that is not set. */
  readonly procRoot?: string | undefined
  /**
   * The effort made to read the details of short-lived processes. Default: `'auto'`.
   *
   * `'auto'`: while details are captured, a native thread on each CPU (at most 16) is woken ahead of each program that calls
   * exec there. The threads have real-time priority if `CAP_SYS_NICE` or `RLIMIT_RTPRIO` permits it. If not, they have a short
   * time slice, which needs no permission (Linux 6.12 and newer). `'ordinary'`: one thread with ordinary scheduling.
   */
  readonly priority?: 'auto' | 'ordinary' | undefined
  /** Replaces the arguments of each process before any callback receives them. Default: arguments are not changed. */
  readonly redact?: Redact | undefined
}

/** The public counters and gauges of the monitor. */
/**
 * Counters and gauges of the monitor. Counters count since `initialize`, and are zero before it. Gauges hold the current value,
 * and are zero while nothing is monitored.
 */
export declare interface MonitorStats {
  /** Gauge: the source of events. null: nothing is monitored. */
  readonly source: 'netlink' | 'polling' | null
  /**
   * Gauge: how processes are noticed without the connector. `'perf'`: by perf events, with which the kernel reports them.
   * `'cursor'`: by the ids that were given out last, and a pidfd of each process. `'snapshot'`: by snapshots of /proc only, for
   * example in a sandbox that hides the last id. null: the connector reports them, or nothing is monitored.
   */
  readonly watching: 'perf' | 'cursor' | 'snapshot' | null
  /**
   * Process ids that were given out and free again before the polling source could look at them. Each is a process or a
   * thread that was never seen.
   */
  readonly unseen: number
  /** Exits of which the polling source could not get the exit code. */
  readonly exitsWithoutStatus: number
  /** Events received, of all types. */
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
  /** Events that the kernel dropped, because the socket's buffer, or that of perf events, was full. */
  readonly lostSocket: number
  /** Events that the queue to JavaScript dropped. */
  readonly lostQueue: number
  /** Repairs of the process table from /proc. */
  readonly resync: number
  /** Datagrams rejected because they did not come from the kernel or were malformed. */
  readonly rejected: number
  /**
   * Kernel events that were ignored deliberately. They are of an unknown type, or repeat an exec or exit. The exit of a thread
   * group leader is also ignored when another thread of the group calls exec. The exits of the other threads are ignored when
   * the leader has exited before.
   */
  readonly ignored: number
  /**
   * Processes whose arguments are null because a read of their memory, this one or an earlier one, did not return in time.
   * A process on a file system that does not respond is one cause.
   */
  readonly captureTimeouts: number
  /**
   * Events delivered without arguments and working directory, because the texts queued for JavaScript took 64 MiB. Their
   * `cwd` is null, their `argv` is empty with `argvTruncated`, and no filter on `commandLine` matches.
   */
  readonly detailsDropped: number
  /**
   * Exits whose cost was lost, because the kernel dropped records of costs or events. It does not count the exits whose cost
   * cannot be read here, or that were before a subscription captured it.
   */
  readonly usageLost: number
  /** Batches of events handed to JavaScript. Each is one wake-up, unless the event loop was busy. */
  readonly batches: number
  /** The most events of one batch. */
  readonly largestBatch: number
  /** Gauge: events waiting for JavaScript. */
  readonly queueDepth: number
  /** The most events that have waited for JavaScript at once. */
  readonly queueHighWater: number
  /** Gauge: the size of the socket's receive buffer, in bytes, as the kernel granted it. */
  readonly receiveBufferSize: number
  /** Gauge: live processes in the process table. */
  readonly trackedProcesses: number
  /** Gauge: native threads blocked in a read that did not return in time. No other thread waits for them. */
  readonly stuckThreads: number
  /**
   * Gauge: the scheduling of the threads that capture details (see {@link MonitorOptions.priority}), as the kernel has granted
   * it. If a CPU has come online and has no such thread yet, that of the native thread. null: nothing is monitored.
   */
  readonly priority: 'ordinary' | 'short-slice' | 'realtime' | null
  /** References taken by `getProcessMonitor()` and not given back by `stop()`. */
  readonly references: number
}

/** The only member of a union. never: it has several. */
declare type OnlyMember<Union, Members = Union> = Union extends unknown
  ? [Members] extends [Union]
    ? Union
    : never
  : never

/**
 * The attributes: of the process registry (all of the stability "development"), `container.id`, and this package's own, for
 * which the conventions have no name. An attribute is absent if it was not captured or could not be read.
 */
export declare interface OpenTelemetryAttributes {
  /** The process's id. */
  readonly 'process.pid': number
  /** The parent's process id. */
  readonly 'process.parent_pid'?: number
  /** The path of the executable. */
  readonly 'process.executable.path'?: string
  /** The last part of that path, or the process's name if the path was not captured. */
  readonly 'process.executable.name'?: string
  /** The first argument, argv[0]. */
  readonly 'process.command'?: string
  /** All arguments, argv[0] included. Absent unless the option `arguments` is true. */
  readonly 'process.command_args'?: string[]
  /** The number of arguments, argv[0] included. Absent if the end of argv is missing. */
  readonly 'process.args_count'?: number
  /** The working directory. */
  readonly 'process.working_directory'?: string
  /** The real user id. */
  readonly 'process.real_user.id'?: number
  /** The cgroup path, without the hierarchy's number and controllers. */
  readonly 'process.linux.cgroup'?: string
  /** The container's id from the cgroup path. Absent if the path has none. */
  readonly 'container.id'?: string
  /** The creation time, in ISO 8601. Exact to some 20 ms, because the kernel counts in hundredths of a second. */
  readonly 'process.creation.time'?: string
  /** The time of the exit, in ISO 8601. */
  readonly 'process.exit.time'?: string
  /** The exit code. Absent if a signal ended the process. */
  readonly 'process.exit.code'?: number
  /** The name of the signal that ended the process. It is this package's own attribute: the conventions have none. */
  readonly 'process.exit.signal'?: string
  /** CPU time in seconds, the name and the unit of the conventions' metric. Absent unless `'usage'` is captured and known. */
  readonly 'process.cpu.time'?: number
  /**
   * The largest amount of memory that the last program had resident, in bytes. It is this package's own attribute. Absent
   * unless `'usage'` is captured and known.
   */
  readonly 'process.memory.peak'?: number
  /** The way in which the event was detected: the event's `origin`. */
  readonly 'proc_events.origin'?: string
  /** Nanoseconds that the process ran: the exit's `durationNs`. */
  readonly 'proc_events.duration_ns'?: number
  /** The beginning of that duration: the exit's `durationSince`. */
  readonly 'proc_events.duration_since'?: string
}

/**
 * An event in the shape of OpenTelemetry's log record. `logger.emit()` of `@opentelemetry/api-logs` accepts it.
 */
export declare interface OpenTelemetryEvent {
  /** `proc_events.exec`, `proc_events.exit` and so on. The names are this package's own: the conventions have none. */
  readonly eventName: string
  /** The time of the event: milliseconds since 1970, as from `Date.now()`, with a fraction. */
  readonly timestamp: number
  /** 13 (WARN) for an exit with another exit code than 0, or by a signal. 9 (INFO) for every other event. */
  readonly severityNumber: 9 | 13
  /** The name of `severityNumber`. */
  readonly severityText: 'INFO' | 'WARN'
  /** The known attributes. Unknown ones are absent. */
  readonly attributes: OpenTelemetryAttributes
}

/** Options of {@link toOpenTelemetry}. */
export declare interface OpenTelemetryOptions {
  /**
   * True: includes the arguments, `process.command_args`. Default: false, because the conventions ask not to collect
   * arguments that may be confidential. See `redact` in {@link MonitorOptions} to remove confidential text.
   */
  readonly arguments?: boolean | undefined
}

/**
 * Reports which sources are available in this environment, without starting anything. Use it for an application's own
 * diagnostics. An unavailable source is a result, not a rejection.
 *
 * ```ts
 * const { netlink, hint } = await probe()
 * if (!netlink) console.error(hint)
 * ```
 *
 * @param options - `procRoot`: the mount point of the host's proc file system. Default: `$HOST_PROC`, or `/proc` if that is
 * not set.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE` (as a rejection),
 * for an argument that is not as typed.
 */
export declare function probe(options?: { readonly procRoot?: string | undefined }): Promise<ProbeReport>

/** The sources that are available in this environment. */
export declare interface ProbeReport {
  /** True if the kernel's process connector is available. */
  readonly netlink: boolean
  /** True if /proc can be polled. With `hidepid` it shows only the processes of this user. */
  readonly polling: boolean
  /** The reason why netlink is unavailable. Absent: netlink is available. */
  readonly reason?: ErrorCode
  /** The next thing to do about the reason. Absent: netlink is available. */
  readonly hint?: string
  /** True if the costs of processes can be read: `capture: ['usage']`. They need netlink. */
  readonly usage: boolean
  /** The reason why costs cannot be read. Absent: they can be read. */
  readonly usageReason?: ErrorCode
  /** The next thing to do about that reason. Absent: costs can be read. */
  readonly usageHint?: string
  /** The kernel's release, as `uname -r` prints it. */
  readonly kernel: string
}

/**
 * The callback of a subscription. It receives the process's id and the event. All callbacks that receive an event share one
 * object, so treat it as read-only.
 */
export declare type ProcessCallback<E extends ProcessEvent = ProcessEvent> = (pid: number, event: E) => void

/** Any event, discriminated by `type`. */
export declare type ProcessEvent =
  ForkEvent | ExecEvent | ExitEvent | CommEvent | UidEvent | GidEvent | SidEvent | PtraceEvent | CoredumpEvent

/** The details of a process that {@link SubscribeOptions.capture} may name. */
export declare type ProcessField =
  'name' | 'comm' | 'ppid' | 'exe' | 'argv' | 'cwd' | 'uid' | 'gid' | 'loginUid' | 'cgroup' | 'startTime' | 'usage'

/**
 * Selects processes. All given properties must match. Default of each: every process matches.
 *
 * Events after the exec are matched against the details captured at the exec (or at the scan), because /proc has nothing
 * left at exit. A process whose exec was not seen matches no filter; a detail that could not be read matches nothing.
 *
 * A string must be equal. A RegExp must match somewhere; every match starts at the beginning of the text, whatever the
 * flags and `lastIndex`.
 */
export declare interface ProcessFilter {
  /**
   * The name: of the program ({@link ProcessInfo.name}), or the present one of a process that has renamed itself
   * ({@link ProcessInfo.comm}, at most 15 bytes). Either may match.
   */
  readonly name?: string | RegExp | undefined
  /** The path of the executable. */
  readonly exe?: string | RegExp | undefined
  /** The working directory at the exec. */
  readonly cwd?: string | RegExp | undefined
  /** The arguments (argv), joined by spaces. */
  readonly commandLine?: string | RegExp | undefined
  /** The real user id: 0 to 4,294,967,295. */
  readonly uid?: number | undefined
  /** The cgroup path: of v2, or of the v1 hierarchy that names the container. */
  readonly cgroup?: string | RegExp | undefined
  /**
   * A pid, 1 to 4,194,304. Only the descendants of the process that has this pid at the time of the call match. The process
   * itself does not. If no process has this pid then, nothing matches, as with a name that no process has.
   * `findDeletedProcesses(new Set([pid]))` tells whether one has.
   *
   * Descendants are tracked from their creation through every fork. Neither a new parent nor the ancestor's exit ends that.
   * Processes that already run are found if they are linked to the ancestor by living parents or by their session. Unlike the
   * other properties, `ancestor` also applies to processes whose exec was not seen.
   *
   * One case is not tracked: a descendant whose parent has exited creates a process by `clone` with `CLONE_PARENT`. That
   * process is a child of init, or of a subreaper, and the kernel reports its parent, not its creator.
   */
  readonly ancestor?: number | undefined
}

/** The captured details of a process. undefined: no subscription captures the field. null: it could not be read. */
export declare interface ProcessInfo {
  /**
   * The program's name, as at its exec: the base name of the file, or of the script. The kernel keeps 15 bytes, and the rest
   * is completed from the arguments or the exe. For a process that was found running and has renamed itself, it is the base
   * name of the exe, or else of argv[0].
   */
  readonly name?: string | null
  /**
   * The kernel's present name of the main thread, at most 15 bytes. A process may change it (Node.js, nginx, Wine). Renames
   * are followed while a subscription captures `'comm'` or filters by `name`.
   */
  readonly comm?: string | null
  /**
   * The parent's process id when the details were read. If the parent had exited by then, it is that of the new parent, such as
   * init. The `ppid` of a fork event is exact, and so is the filter `ancestor`.
   */
  readonly ppid?: number | null
  /** The path of the executable. */
  readonly exe?: string | null
  /**
   * The arguments, the program's own name first. A byte that is not UTF-8 is written as `\xNN`. The array is frozen, because
   * all callbacks share it.
   */
  readonly argv?: readonly string[] | null
  /** True if `argv` was too long and its end is missing. Absent if it is complete. */
  readonly argvTruncated?: true
  /** The working directory. */
  readonly cwd?: string | null
  /** The real user id. */
  readonly uid?: number | null
  /** The real group id. */
  readonly gid?: number | null
  /** The user id of the login, before `su` and `sudo`. null: no user logged in, or it could not be read. */
  readonly loginUid?: number | null
  /** The cgroup path: of v2, or of the v1 hierarchy that names the container. */
  readonly cgroup?: string | null
  /** The container's id from the cgroup path, captured with `'cgroup'`. null: the path has none, or could not be read. */
  readonly containerId?: string | null
  /**
   * The time of the process's creation, in clock ticks since boot (field 22 of /proc/PID/stat). Together with the pid it
   * identifies a process.
   */
  readonly startTime?: number | null
}

/**
 * The one monitor of this JavaScript environment. It reports when any process of the machine starts a program or exits.
 *
 * Every call of `getProcessMonitor()` returns this monitor and takes one reference to it. The last `stop()` ends it.
 * Processes are reported to callbacks. As an event emitter, the monitor reports on itself (see {@link MonitorEvents}). A
 * listener for another event, such as `on('exec', …)`, would never be called: that is a TypeError `ERR_INVALID_ARG_VALUE`.
 */
export declare interface ProcessMonitor extends EventEmitter<MonitorEvents> {
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

/**
 * Monitoring is unavailable or has failed. The message names the failure, then the next thing to do.
 *
 * ```ts
 * await monitor.initialize().catch((error) => {
 *   if (error instanceof ProcessMonitorError && error.code === 'ERR_PERMISSION') console.error(error.message)
 * })
 * ```
 */
export declare class ProcessMonitorError extends Error {
  /** The reason of the failure. */
  readonly code: ErrorCode
  /** The system's error number, negative as in Node.js's own system errors (`-1` is EPERM). Absent: no system call failed. */
  readonly errno?: number
  /** The system call that failed. Absent: none did. */
  readonly syscall?: string
  constructor(code: ErrorCode, message: string, details?: ErrorDetails)
}

/** Tracing of a process has begun or ended. */
export declare interface PtraceEvent extends EventBase<'ptrace'> {
  /** The pid of the process that traces it. null: tracing has ended. */
  readonly tracerPid: number | null
}

/**
 * An object of a recording: a parsed line of `proc-events --json`, or of `proc-events run --json`. The file
 * `schema/recording.schema.json` of the package describes its keys.
 */
export declare interface RecordedEntry {
  /** The type of an event, `start`, `end`, `loss`, `note`, `heartbeat` or `run`. Other objects are ignored. */
  readonly type: string
  /** Nanoseconds on CLOCK_MONOTONIC. `run` has none. */
  readonly timestampNs?: number
}

/**
 * Removes confidential text from a process's arguments, and returns the arguments to show.
 *
 * It is given once, to `initialize`, and holds for all callbacks, iterators and channels. It is called once for each event
 * that is delivered with arguments, however many callbacks receive the event.
 *
 * Filters (`commandLine`) match the original arguments. If it throws, or returns anything but an array of strings, `argv`
 * is null and the error surfaces as an `uncaughtException`.
 *
 * ```ts
 * const redact: Redact = (argv) => argv.map((argument) => argument.replace(/password=.+/, 'password=***'))
 * ```
 *
 * @param argv - the arguments, the program's own name first. It is a copy, which may be changed.
 * @param process - the other details captured of the process.
 * @returns the arguments to show.
 */
export declare type Redact = (argv: string[], process: ProcessInfo) => readonly string[]

/**
 * Arguments with secrets replaced, as the command's `--redact` does it.
 *
 * A secret is found by the name before it, by the program that gets it, or by its shape. `docs/redaction.md` lists the covered
 * forms. If in doubt, the text is hidden. Other secrets stay: do not take the result for harmless. The time is linear in the
 * length. An argument longer than the kernel allows, 131,072 characters, is hidden from there on.
 *
 * ```ts
 * import { getProcessMonitor, redactSecrets } from 'proc-events'
 *
 * await getProcessMonitor().initialize({ redact: redactSecrets })
 * ```
 *
 * @param argv - the arguments, the program's own name first. They are not changed.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not an array of strings.
 * @returns as many arguments, in which each secret is `[redacted]`.
 */
export declare function redactSecrets(argv: readonly string[]): string[]

/**
 * The cost of a process, by the kernel's own accounts. It is that of the process from its creation on, with all of its threads,
 * and without its children. A number is null if the kernel cannot say it of this process.
 */
export declare interface ResourceUsage {
  /**
   * CPU time, in nanoseconds. The teardown is missing: 0.1 to 0.8 ms, and more if much memory is freed. Of a thread that computes
   * until its end, up to one timer tick is missing, too: 1 to 10 ms. If the last two threads end at the same moment, the kernel may
   * leave one out.
   */
  readonly cpuNs: number
  /** The largest amount of memory that the last program had resident, in bytes. It may share memory with other processes. */
  readonly maxRssBytes: number | null
  /** Bytes that were read from storage. null: the process has had other threads. */
  readonly readBytes: number | null
  /** Bytes that were written to storage, or are to be written. null: the process has had other threads. */
  readonly writeBytes: number | null
  /** Page faults without I/O. null: the process has had other threads. */
  readonly minorFaults: number | null
  /** Page faults with I/O. null: the process has had other threads. */
  readonly majorFaults: number | null
  /** Times that a thread waited. */
  readonly voluntarySwitches: number | null
  /** Times that a thread was preempted. */
  readonly involuntarySwitches: number | null
  /** Time that threads were ready to run and waited for a CPU, in nanoseconds. */
  readonly cpuDelayNs: number | null
}

/** A process has become the leader of a new session. */
export declare interface SidEvent extends EventBase<'sid'> {}

/**
 * Sends a signal to a process, only if its pid still belongs to it. The pid of a process that has exited may be given to
 * another one, which `process.kill` would hit. It needs no running monitor.
 *
 * With pidfds (Linux 5.3 and newer), the pid cannot be reused between the check and the signal.
 *
 * ```ts
 * monitor.subscribeExec((pid, { process: { startTime } }) => {
 *   if (typeof startTime === 'number') signalProcess({ pid, startTime }, 'SIGTERM')
 * }, { name: 'stray', capture: ['startTime'] })
 * ```
 *
 * @param process - `pid`: 1 to 4,194,304. `startTime`: the process's {@link ProcessInfo.startTime}.
 * @param signal - a name such as `'SIGTERM'` or `'SIGRTMIN+1'`, or a number from 0 to 64. 0 only checks whether the process
 * runs, and whether it may be signalled.
 * @returns true if the signal was sent. false if the process has exited.
 * @throws SystemError with the `code` `'EPERM'` if the process may not be signalled.
 * @throws a {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` if /proc cannot be read, `ERR_PROC_NAMESPACE` if it is that of
 * another pid namespace.
 * `ERR_UNSUPPORTED_PLATFORM` or `ERR_NATIVE_BINDING` if the native part is unavailable.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for an argument that is not as typed. TypeError
 * `ERR_UNKNOWN_SIGNAL` for an unknown name.
 */
export declare function signalProcess(
  process: {
    readonly pid: number
    readonly startTime: number
  },
  signal: NodeJS.Signals | `SIGRTMIN+${number}` | number,
): boolean

/** Options of a subscription: the processes to report, and the details to capture. */
export declare interface SubscribeOptions<
  Fields extends readonly ProcessField[] = readonly ProcessField[],
> extends ProcessFilter {
  /**
   * Details to read natively at exec time, so that they outlast the process. Default: none, pid only.
   *
   * An event carries the details that all subscriptions together ask for. If the fields are literals in the call, such as
   * `['name']`, the types of its events know that these details are not undefined. Options that several calls share need
   * `as const`: `const options = { capture: ['name'] } as const`.
   *
   * For fields that are captured under a condition, write `condition ? ['name'] : []`. With `undefined` in place of `[]`, the
   * types would take them for captured.
   */
  readonly capture?: Fields | undefined
  /**
   * True: a subscription to `'exec'` made after `initialize` first receives the processes that already run. Default: false.
   *
   * Each is reported once (`origin: 'bootstrap'`), to this subscription only. Live events follow. A process that starts and
   * exits before all have been reported may be reported in between.
   *
   * Before the scan of `initialize` it has no effect, because that scan reports all running processes anyway. It has no
   * effect for other types, so that several subscriptions can share one options object.
   */
  readonly replay?: boolean | undefined
  /**
   * Milliseconds that an event may wait, as {@link MonitorOptions.maxLatency}: 0 to 10,000. The shortest time of all
   * subscriptions counts. Default: that of the monitor.
   */
  readonly maxLatency?: number | undefined
  /**
   * True: the comm and the arguments of a process are read again when it renames itself. Default: false.
   *
   * Programs such as nginx and PostgreSQL write a title over their arguments then.
   */
  readonly recapture?: boolean | undefined
  /** Ends the subscription when aborted. A signal that is already aborted subscribes nothing. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Draws processes as a trace that [Perfetto](https://ui.perfetto.dev), [speedscope](https://www.speedscope.app) and
 * `chrome://tracing` open. It takes events, as a callback or an iterator received them, or the objects of a recording, or
 * the one object of `proc-events run --json`. Entries must be in the order of their times.
 *
 * Slices of a lane nest strictly. A child is on the lane of its parent if it ends within it. Otherwise it is on the next
 * free lane, and an arrow shows its parent. At most 20,000 processes are drawn, the failed and the longest ones.
 *
 * ```ts
 * const events: ProcessEvent[] = []
 * const options = { ancestor: process.pid, capture: ['name', 'argv'] } as const
 * for (const type of ['fork', 'exec', 'exit'] as const) monitor.subscribe(type, (_, event) => events.push(event), options)
 * await build()
 * await monitor.flush()
 * writeFileSync('build.trace.json', JSON.stringify(toChromeTrace(events)))
 * ```
 *
 * @param entries - events, or parsed lines of `proc-events --json`. Objects of other types are ignored.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE` for an argument that is not as typed.
 */
export declare function toChromeTrace(entries: Iterable<TraceEntry>, options?: ChromeTraceOptions): ChromeTrace

/**
 * Converts an event to OpenTelemetry's semantic conventions. It needs no other package. It reads nothing of the process, so
 * capture the details that the attributes need.
 *
 * `process.command_line` is never set, because the conventions ask not to assemble it.
 *
 * ```ts
 * monitor.subscribeExec((pid, event) => logger.emit(toOpenTelemetry(event)), { capture: ['exe', 'ppid'] })
 * ```
 *
 * @param event - an event as a callback, an iterator or a channel received it.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE` for an argument that is not as typed.
 */
export declare function toOpenTelemetry(event: ProcessEvent, options?: OpenTelemetryOptions): OpenTelemetryEvent

/** An event of the monitor, or an object of a recording. */
export declare type TraceEntry = ProcessEvent | RecordedEntry

/** A process has changed its user ids. */
export declare interface UidEvent extends EventBase<'uid'> {
  /** The new real user id. */
  readonly ruid: number
  /** The new effective user id. */
  readonly euid: number
}

/**
 * Ends one subscription. After it returns, the callback is not called again, even if events are queued. Further calls do
 * nothing. `using` calls it at the end of the block: with Node.js 24 or newer, or a compiler, such as TypeScript's.
 */
export declare interface Unsubscribe {
  (): void
  /** Ends the subscription, for `using`. */
  [Symbol.dispose](): void
}

/** Options of {@link ProcessMonitor.waitForExit}. */
export declare interface WaitOptions {
  /** Ends the wait when aborted. Default: none. */
  readonly signal?: AbortSignal | undefined
  /**
   * The process's start time, see {@link ProcessInfo.startTime}. Default: any process with this pid.
   *
   * The start time of a process that has exited before the call may be unknown. Then the last exit of the pid counts.
   */
  readonly startTime?: number | undefined
}

export {}
