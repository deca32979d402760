/**
 * The public types of what is reported: the events, and the details of a process.
 * Every pid is a process id (the kernel's tgid) in the initial pid namespace; threads are never reported as processes.
 */
/** The kinds of event, named as the kernel's process connector names them. */
export type EventType = 'fork' | 'exec' | 'exit' | 'comm' | 'uid' | 'gid' | 'sid' | 'ptrace' | 'coredump';
/** The details of a process that {@link SubscribeOptions.capture} may name. */
export type ProcessField = 'name' | 'ppid' | 'exe' | 'argv' | 'cwd' | 'uid' | 'gid' | 'cgroup' | 'startTime';
/** What every event has. */
export interface EventBase<T extends EventType> {
    /** Which kind of event it is. */
    readonly type: T;
    /** The process's id. */
    readonly pid: number;
    /**
     * The kernel's time of the event: nanoseconds on CLOCK_MONOTONIC, comparable with process.hrtime.bigint(). Exact up
     * to 2**53 (104 days after boot), later to the nearest number that can be represented (2 ns, then 4 ns).
     */
    readonly timestampNs: number;
    /** `'kernel'`: reported live. The others were concluded from a /proc snapshot. */
    readonly origin: 'kernel' | 'bootstrap' | 'resync' | 'polling';
    /**
     * What was captured at exec (or at the scan). Empty where nothing was asked for, or where the process's exec was not
     * seen.
     */
    readonly process: ProcessInfo;
}
/** What is known of a process. A field is undefined where not asked for, null where it could not be read any more. */
export interface ProcessInfo {
    /** The process name: the kernel's comm, completed from argv[0] or the exe where the kernel cut it at 15 bytes. */
    readonly name?: string | null;
    /** The parent's process id. */
    readonly ppid?: number | null;
    /** The path of the program's file. */
    readonly exe?: string | null;
    /** The arguments, the program's own name first. Bytes that are not UTF-8 stand as `\xNN`. */
    readonly argv?: string[] | null;
    /** Present, and true, where `argv` was too long and its end is missing. */
    readonly argvTruncated?: true;
    /** The working directory. */
    readonly cwd?: string | null;
    /** Real user id. */
    readonly uid?: number | null;
    /** Real group id. */
    readonly gid?: number | null;
    /** cgroup path (v2, or the v1 hierarchy that names the container). */
    readonly cgroup?: string | null;
    /** The container's id, where the cgroup path carries one, else null (comes with 'cgroup'). */
    readonly containerId?: string | null;
    /** When the process was created: clock ticks since boot, /proc/PID/stat's field 22. With the pid it is an identity. */
    readonly startTime?: number | null;
}
/** A process has started a program. */
export interface ExecEvent extends EventBase<'exec'> {
}
/** A process has exited. */
export interface ExitEvent extends EventBase<'exit'> {
    /**
     * The exit code; null where a signal ended the process. As child_process reports it: of this and `signal` one is null.
     * Both are null where the kernel's own report was lost.
     */
    readonly exitCode: number | null;
    /** The signal that ended the process; null where it exited. A real-time signal is named `'SIGRTMIN+n'`. */
    readonly signal: NodeJS.Signals | null;
    /** Whether the kernel dumped the process's memory. */
    readonly coreDumped: boolean;
    /** The parent's process id; null where not known. */
    readonly ppid: number | null;
    /** Nanoseconds since the last exec that was seen; null where none was. */
    readonly durationNs: number | null;
}
/** A process has been created; `pid` is the new one. */
export interface ForkEvent extends EventBase<'fork'> {
    /** The process that created it. */
    readonly ppid: number;
}
/** A thread has changed its name. */
export interface CommEvent extends EventBase<'comm'> {
    /** The thread's id; the same as `pid` for the main thread. */
    readonly tid: number;
    /** The new name, at most 15 bytes. */
    readonly comm: string;
}
/** A process has changed its user ids. */
export interface UidEvent extends EventBase<'uid'> {
    /** Real user id. */
    readonly ruid: number;
    /** Effective user id. */
    readonly euid: number;
}
/** A process has changed its group ids. */
export interface GidEvent extends EventBase<'gid'> {
    /** Real group id. */
    readonly rgid: number;
    /** Effective group id. */
    readonly egid: number;
}
/** A process has become the leader of a new session. */
export interface SidEvent extends EventBase<'sid'> {
}
/** A process is traced from now on, or no longer. */
export interface PtraceEvent extends EventBase<'ptrace'> {
    /** The process that traces it; null where tracing has ended. */
    readonly tracerPid: number | null;
}
/** A process is dumping its memory because of a signal. */
export interface CoredumpEvent extends EventBase<'coredump'> {
    /** The parent's process id; null where not known. */
    readonly ppid: number | null;
}
/** Any event, told apart by `type`. */
export type ProcessEvent = ForkEvent | ExecEvent | ExitEvent | CommEvent | UidEvent | GidEvent | SidEvent | PtraceEvent | CoredumpEvent;
/** The event of one type. */
export type EventOf<T extends EventType> = Extract<ProcessEvent, {
    type: T;
}>;
