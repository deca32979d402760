/**
 * The public types of the events and of the details of a process.
 * Every pid is a process id (the kernel's tgid) in the pid namespace that `/proc` shows. With the connector, that is the initial
 * one. Threads are never reported as processes.
 */

/** The types of event, named as the kernel's process connector names them. */
export type EventType = 'fork' | 'exec' | 'exit' | 'comm' | 'uid' | 'gid' | 'sid' | 'ptrace' | 'coredump'

/** The details of a process that {@link SubscribeOptions.capture} may name. */
export type ProcessField =
  'name' | 'comm' | 'ppid' | 'exe' | 'argv' | 'cwd' | 'uid' | 'gid' | 'loginUid' | 'cgroup' | 'startTime' | 'usage'

/** The properties that every event has. */
export interface EventBase<T extends EventType> {
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

/** The captured details of a process. undefined: no subscription captures the field. null: it could not be read. */
export interface ProcessInfo {
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

/** A process has started a program. */
export interface ExecEvent extends EventBase<'exec'> {}

/** A process has exited. */
export interface ExitEvent extends EventBase<'exit'> {
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
 * The cost of a process, by the kernel's own accounts. It is that of the process from its creation on, with all of its threads,
 * and without its children. A number is null if the kernel cannot say it of this process.
 */
export interface ResourceUsage {
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

/**
 * A process has been created. `pid` is the new process. Of its details only `startTime` is captured, because it still runs its
 * parent's program.
 */
export interface ForkEvent extends EventBase<'fork'> {
  /** The pid of the process that created it. */
  readonly ppid: number
}

/** A thread has changed its name. */
export interface CommEvent extends EventBase<'comm'> {
  /** The thread's id. For the main thread it equals `pid`. */
  readonly tid: number
  /** The new name, at most 15 bytes. */
  readonly comm: string
}

/** A process has changed its user ids. */
export interface UidEvent extends EventBase<'uid'> {
  /** The new real user id. */
  readonly ruid: number
  /** The new effective user id. */
  readonly euid: number
}

/** A process has changed its group ids. */
export interface GidEvent extends EventBase<'gid'> {
  /** The new real group id. */
  readonly rgid: number
  /** The new effective group id. */
  readonly egid: number
}

/** A process has become the leader of a new session. */
export interface SidEvent extends EventBase<'sid'> {}

/** Tracing of a process has begun or ended. */
export interface PtraceEvent extends EventBase<'ptrace'> {
  /** The pid of the process that traces it. null: tracing has ended. */
  readonly tracerPid: number | null
}

/** A process is dumping its memory because of a signal. */
export interface CoredumpEvent extends EventBase<'coredump'> {
  /** The parent's process id. null: unknown. */
  readonly ppid: number | null
}

/** Any event, discriminated by `type`. */
export type ProcessEvent =
  ForkEvent | ExecEvent | ExitEvent | CommEvent | UidEvent | GidEvent | SidEvent | PtraceEvent | CoredumpEvent

/**
 * The event of one type. `Fields` is the type of the option `capture`: of the details that it names as literals, none is
 * undefined.
 */
export type EventOf<T extends EventType, Fields extends readonly ProcessField[] = readonly ProcessField[]> = [
  CapturedField<Fields>,
] extends [never]
  ? Extract<ProcessEvent, { type: T }>
  : Extract<ProcessEvent, { type: T }> & {
      /** The details, of which the captured ones are not undefined. */
      readonly process: CapturedInfo<CapturedField<Fields>>
    } & ('exit' extends T ? CapturedCost<CapturedField<Fields>> : unknown)

/** The details that are captured if `capture` names these fields. null: it could not be read. */
export type CapturedInfo<Field extends ProcessField> = Required<
  Pick<ProcessInfo, Exclude<Field, 'usage'> | (Field extends 'cgroup' ? 'containerId' : never)>
>

/** The cost of an exit, if `capture` names `'usage'`. null: it is unknown. */
export type CapturedCost<Field extends ProcessField> = 'usage' extends Field
  ? {
      /** The cost of the process. null: it is unknown. */
      readonly usage: ResourceUsage | null
    }
  : unknown

/** The fields that a tuple of literals is sure to name. An element that may be one of several fields counts as none. */
export type CapturedField<Fields extends readonly ProcessField[]> = number extends Fields['length']
  ? never
  : [OnlyMember<Fields>] extends [never]
    ? never
    : { readonly [I in keyof Fields]: OnlyMember<Fields[I]> }[number]

/** The only member of a union. never: it has several. */
type OnlyMember<Union, Members = Union> = Union extends unknown ? ([Members] extends [Union] ? Union : never) : never
