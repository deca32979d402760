import type { ProcessEvent } from '../api/event-types.js';
/** What goes into an {@link OpenTelemetryEvent}. */
export interface OpenTelemetryOptions {
    /**
     * Whether to tell the arguments, `process.command_args`. The conventions ask not to collect them by default, unless
     * something takes out what is confidential: see `redact` in {@link MonitorOptions}. Default: false.
     */
    readonly arguments?: boolean;
}
/**
 * An event in the shape of OpenTelemetry's log record, which `logger.emit()` of `@opentelemetry/api-logs` takes as it is.
 */
export interface OpenTelemetryEvent {
    /** `proc_events.exec`, `proc_events.exit` and so on: this package's own, as the conventions have no names for them. */
    readonly eventName: string;
    /** When it happened: milliseconds since 1970, as `Date.now()` gives them, with a fraction. */
    readonly timestamp: number;
    /** What is known, and nothing that is not. */
    readonly attributes: OpenTelemetryAttributes;
}
/**
 * The attributes of the process registry (all of them of the stability "development"), of `container.id`, and one of
 * this package's own. One is absent where it was not captured, or could not be read.
 */
export interface OpenTelemetryAttributes {
    /** The process's id. */
    readonly 'process.pid': number;
    /** The parent's process id. */
    readonly 'process.parent_pid'?: number;
    /** The path of the program's file. */
    readonly 'process.executable.path'?: string;
    /** The last part of that path; where only the process's name was captured, that. */
    readonly 'process.executable.name'?: string;
    /** argv[0]. */
    readonly 'process.command'?: string;
    /** All of argv, argv[0] too. Only if `arguments` was asked for. */
    readonly 'process.command_args'?: string[];
    /** The length of argv; absent where its end is missing. */
    readonly 'process.args_count'?: number;
    /** The working directory. */
    readonly 'process.working_directory'?: string;
    /** Real user id. */
    readonly 'process.real_user.id'?: number;
    /** The path alone. */
    readonly 'process.linux.cgroup'?: string;
    /** The container's id, where the cgroup path carries one. */
    readonly 'container.id'?: string;
    /** ISO 8601. Exact to some 20 ms: the kernel counts in hundredths of a second. */
    readonly 'process.creation.time'?: string;
    /** ISO 8601. */
    readonly 'process.exit.time'?: string;
    /** The exit code; absent where a signal ended the process. */
    readonly 'process.exit.code'?: number;
    /** This package's own, as the conventions have none: the name of the signal that ended the process. */
    readonly 'process.exit.signal'?: string;
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
export declare function toOpenTelemetry(event: ProcessEvent, options?: OpenTelemetryOptions): OpenTelemetryEvent;
