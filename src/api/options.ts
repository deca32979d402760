/** The public options: of monitoring, of a subscription, and of an iterator. */
import type { EventType, ProcessField, ProcessInfo } from './event-types.js'

/** Options of `initialize`. */
export interface MonitorOptions {
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
export type Redact = (argv: string[], process: ProcessInfo) => readonly string[]

/**
 * Selects processes. All given properties must match. Default of each: every process matches.
 *
 * Events after the exec are matched against the details captured at the exec (or at the scan), because /proc has nothing
 * left at exit. A process whose exec was not seen matches no filter; a detail that could not be read matches nothing.
 *
 * A string must be equal. A RegExp must match somewhere; every match starts at the beginning of the text, whatever the
 * flags and `lastIndex`.
 */
export interface ProcessFilter {
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

/** Options of a subscription: the processes to report, and the details to capture. */
export interface SubscribeOptions<
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

/** Options of an iterator: the types of event, the processes to report, and the details to capture. */
export interface EventsOptions<
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
