/** The public types of the monitor: its methods, its options, its figures. */
import type { EventEmitter } from 'node:events';
import type { ProcessMonitorError } from './errors.js';
import type { EventOf, EventType, ExecEvent, ExitEvent, ProcessEvent, ProcessField, ProcessInfo } from './event-types.js';
/**
 * The one monitor of this JavaScript environment: it tells when any process of the machine starts a program or exits.
 *
 * Everybody who calls `getProcessMonitor()` shares it and holds one reference to it; the last `stop()` ends it. As an
 * event emitter it tells about the monitoring itself (see {@link MonitorEvents}); processes are reported to callbacks.
 */
export interface ProcessMonitor extends EventEmitter<MonitorEvents> {
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
    initialize(options?: MonitorOptions): Promise<void>;
    /**
     * Calls back whenever a process has started a program: `subscribe('exec', …)`.
     *
     * @returns what ends the subscription.
     */
    subscribeExec(callback: ProcessCallback<ExecEvent>, options?: SubscribeOptions): Unsubscribe;
    /**
     * Calls back whenever a process has exited: `subscribe('exit', …)`.
     *
     * @returns what ends the subscription.
     */
    subscribeExit(callback: ProcessCallback<ExitEvent>, options?: SubscribeOptions): Unsubscribe;
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
    subscribe<T extends EventType>(type: T, callback: ProcessCallback<EventOf<T>>, options?: SubscribeOptions): Unsubscribe;
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
    events<T extends EventType = 'exec' | 'exit'>(options?: EventsOptions<T>): AsyncIterableIterator<EventOf<T>> & AsyncDisposable;
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
    waitForExit(pid: number, options?: {
        readonly signal?: AbortSignal;
    }): Promise<ExitEvent>;
    /**
     * Gives one reference back; there are never fewer than none. The last one ends monitoring and drops all
     * subscriptions: from that moment nothing is called any more, and a pending `initialize()` rejects with `ERR_STOPPED`.
     * Resolves once the native thread and its socket are gone; until then Node.js is kept running. Calls meanwhile get
     * the same promise. Afterwards `initialize` may start anew.
     *
     * Listeners added with `on()` are not subscriptions: they stay, and hear of the next start too.
     */
    stop(): Promise<void>;
    /** The counters and gauges of now; all zero before `initialize`. Counters keep their last values after the end. */
    stats(): MonitorStats;
    /** Has an initialized monitor keep Node.js running, as a server does. This is the default. */
    ref(): this;
    /** Lets Node.js end although the monitor is initialized. Remembered across `stop()` and `initialize()`. */
    unref(): this;
    /** `stop()`, for `await using`. */
    [Symbol.asyncDispose](): Promise<void>;
}
/**
 * Ends one subscription: once it returns, the callback is not called again, though events may be on their way. Further
 * calls do nothing. `using` calls it at the end of the block.
 */
export interface Unsubscribe {
    (): void;
    /** The same, for `using`. */
    [Symbol.dispose](): void;
}
/**
 * What a subscription calls, with the process's id and the event. One event object is shared by all callbacks that get
 * the event: it is to be read only.
 */
export type ProcessCallback<E extends ProcessEvent = ProcessEvent> = (pid: number, event: E) => void;
/** What the monitor emits about itself. */
export interface MonitorEvents {
    /** Events were lost (by the kernel's socket or by the queue to JavaScript), and the process table was made right again. */
    loss: [LossReport];
    /** The source failed and was reopened. */
    restart: [ProcessMonitorError];
    /**
     * The source failed and could not be reopened: monitoring has ended, everything is torn down, `initialize` may be
     * called again, and subscriptions are kept. As with every emitter, it is thrown where nobody listens; but not if
     * `events()` or `waitForExit()` rejects with it.
     */
    error: [ProcessMonitorError];
}
/** A hole in what was received, and what was done about it. */
export interface LossReport {
    /** Who dropped the events: the kernel's socket, or the queue to JavaScript. */
    readonly cause: 'socket' | 'queue';
    /** How many events were lost, at least; 0 where losses that were told of before have been made right only now. */
    readonly lost: number;
    /** Exec events (`origin: 'resync'`) that made it right again. */
    readonly recoveredExecs: number;
    /** Exit events (`origin: 'resync'`) that made it right again. */
    readonly recoveredExits: number;
}
/** How to monitor. */
export interface MonitorOptions {
    /**
     * Where events come from. `'netlink'` (the default): the kernel's process connector, or an error. `'polling'`: /proc
     * snapshots, which miss short-lived processes, but need no permission and work in containers. `'auto'`: netlink, else
     * polling with a process warning where netlink cannot be had, or has failed for good.
     */
    readonly source?: 'auto' | 'netlink' | 'polling';
    /** Milliseconds between snapshots when polling, at least 1. Default: 250. */
    readonly pollingInterval?: number;
    /** Bytes asked for the socket's receive buffer, at least 1. Default: 8 MiB. What was granted is in `stats()`. */
    readonly receiveBufferSize?: number;
    /** Events held for JavaScript at most, at least 1; past it the loss is counted, reported and made right. */
    readonly queueSize?: number;
    /**
     * Bytes of text kept of the arguments of one process, 1 to 1,048,576. Default: 65,536. Each argument counts with the NUL
     * that ends it, and a byte that is not UTF-8 counts as the four of its `\xNN`. What is longer is cut, so that the last
     * argument may be a part, and `argvTruncated` is set.
     */
    readonly maxArgvBytes?: number;
    /** Where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`. */
    readonly procRoot?: string;
    /**
     * What is done to read the details of a process that ends at once. `'auto'` (the default): while something is
     * captured, a native thread on each CPU (of at most 16) is woken ahead of what calls exec there, with real-time
     * priority where that is permitted (`CAP_SYS_NICE` or `RLIMIT_RTPRIO`), else with a short time slice, which takes no
     * permission (Linux 6.12 and newer). `'ordinary'`: one thread, scheduled as any.
     */
    readonly priority?: 'auto' | 'ordinary';
    /** What becomes of arguments before anybody gets to see them. Default: they are shown as they are. */
    readonly redact?: Redact;
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
export type Redact = (argv: string[], process: ProcessInfo) => readonly string[];
/**
 * Which processes. All that are given must hold. For events after exec they are judged on what was saved at the
 * process's exec (or at the scan), since /proc has nothing left at exit: a process whose exec was not seen matches no
 * filter, and neither does one whose detail could not be read. A string must be equal, a RegExp must match somewhere;
 * it is tried from the start each time, whatever its flags and `lastIndex`.
 */
export interface ProcessFilter {
    /** The process name: the kernel's comm, completed from argv[0] or the exe where the kernel cut it at 15 bytes. */
    readonly name?: string | RegExp;
    /** The path of the program's file. */
    readonly exe?: string | RegExp;
    /** argv joined by spaces. */
    readonly commandLine?: string | RegExp;
    /** Real user id. */
    readonly uid?: number;
    /** cgroup path (v2, or the v1 hierarchy that names the container). */
    readonly cgroup?: string | RegExp;
    /**
     * Only the descendants of the process that has this pid when this is asked for (not that process itself). They are
     * followed from their creation, through every fork, whoever becomes their parent later, and after the ancestor has
     * ended. Of those that run already, the ones are found that a line of living parents, or their session, leads to.
     * This alone is also judged where a process's exec was not seen.
     *
     * One way out is not followed: a descendant whose parent has ended may create a process by `clone` with
     * `CLONE_PARENT`. That process is a child of init, or of a subreaper, and the kernel reports its parent, not its creator.
     */
    readonly ancestor?: number;
}
/** What to receive, and with which details. */
export interface SubscribeOptions extends ProcessFilter {
    /**
     * Details to read natively at exec time, at once, so that they outlive the process. Default: none, pid only.
     * An event carries what all subscriptions ask for together.
     */
    readonly capture?: readonly ProcessField[];
    /**
     * For `'exec'` after `initialize`: first report the processes already running, each once, as `initialize` does it for
     * those who had subscribed before (`origin: 'bootstrap'`). Only this subscription hears of them. Live events follow;
     * but a process that starts and ends before all have been reported may be told in between. Default: false.
     *
     * Before `initialize` has begun to report it adds nothing, since that reports them in any case. For other types it means
     * nothing, so that the options of several subscriptions can be one object.
     */
    readonly replay?: boolean;
    /** Ends the subscription when aborted. Where it is aborted already, nothing is subscribed. */
    readonly signal?: AbortSignal;
}
/** What an iterator is to give, and with which details. */
export interface EventsOptions<T extends EventType> extends SubscribeOptions {
    /** The types of event, at least one. Default: `['exec', 'exit']`. */
    readonly types?: readonly T[];
    /**
     * Events held for a slow consumer at most, at least 1. Default: 65,536. Past it the iterator rejects with
     * `ERR_QUEUE_OVERFLOW`.
     */
    readonly queueSize?: number;
}
/** Counters since `initialize`, zero before it; gauges as of now, zero while nothing is monitored. */
export interface MonitorStats {
    /** Gauge: where events come from; null while nothing is monitored. */
    readonly source: 'netlink' | 'polling' | null;
    /** Events received. */
    readonly events: number;
    /** Exec events received. */
    readonly exec: number;
    /** Exit events received. */
    readonly exit: number;
    /** Times the source was reopened. */
    readonly restart: number;
    /** Times reopening the source failed. */
    readonly reinitFailed: number;
    /** Times /proc could not be scanned. */
    readonly processScanFailed: number;
    /** Callbacks called. */
    readonly callbackExecuted: number;
    /** Events that the kernel's socket dropped. */
    readonly lostSocket: number;
    /** Events that the queue to JavaScript dropped. */
    readonly lostQueue: number;
    /** Resynchronisations run. */
    readonly resync: number;
    /** Datagrams refused because they did not come from the kernel or were malformed. */
    readonly rejected: number;
    /**
     * Reports of the kernel that were dropped: of an unknown kind, of an exec or exit that was reported before, or of a main
     * thread that made way for another thread's exec.
     */
    readonly ignored: number;
    /**
     * Processes whose arguments were not read because the read did not return in time, or one of that process had not
     * before: it holds on to its memory, as with a file system that has stopped answering. They are null then.
     */
    readonly captureTimeouts: number;
    /**
     * Events that were delivered without their arguments and working directory, because the texts that waited for
     * JavaScript took 64 MiB: `cwd` is null, `argv` is empty with `argvTruncated`, and no filter on `commandLine` holds.
     */
    readonly detailsDropped: number;
    /** Gauge: events waiting for JavaScript. */
    readonly queueDepth: number;
    /** The most events that ever waited for JavaScript. */
    readonly queueHighWater: number;
    /** Gauge: bytes of the socket's receive buffer in effect. */
    readonly receiveBufferSize: number;
    /** Gauge: live processes known. */
    readonly trackedProcesses: number;
    /** Gauge: threads of this program that are still in a read that did not return in time. Nothing waits for them. */
    readonly stuckThreads: number;
    /** Gauge: how details are read (see {@link MonitorOptions.priority}); null while nothing is monitored. */
    readonly priority: 'ordinary' | 'short-slice' | 'realtime' | null;
    /** References taken by `getProcessMonitor()` and not given back. */
    readonly references: number;
}
