/** Why something failed, as {@link ProcessMonitorError.code}. */
export type ErrorCode = 
/** The kernel refuses this user. */
'ERR_PERMISSION'
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
 | 'ERR_STOPPED';
/** What is known of the cause of a {@link ProcessMonitorError}. */
export interface ErrorDetails {
    readonly errno?: number | undefined;
    readonly syscall?: string | undefined;
    readonly cause?: unknown;
}
/** Monitoring cannot be had, or has failed. The message says what failed, then what to do about it. */
export declare class ProcessMonitorError extends Error {
    /** Why. */
    readonly code: ErrorCode;
    /** The system's error number, negative as in Node.js's own system errors (`-1` is EPERM). Absent where none was given. */
    readonly errno?: number;
    /** The system call that failed. Absent where none did. */
    readonly syscall?: string;
    constructor(code: ErrorCode, message: string, details?: ErrorDetails);
}
/** An error as the binding returns it. Failure records carry the same four values. */
export interface NativeError {
    /** The index of the code in {@link NATIVE_CODES}. */
    readonly code: number;
    /** The error number, positive; 0 if there is none. */
    readonly errno: number;
    /** The name of the failed system call; absent if no system call failed. */
    readonly syscall?: string | undefined;
    /** The object of the failed system call, or the finding that led to `code` if no system call failed. */
    readonly context: string;
}
/** Converts an error of the native part. An unknown code counts as a failure of the source. */
export declare function fromNative(error: NativeError, hint?: string): ProcessMonitorError;
/** Creates an error whose message states the failed call and its errno, then the next thing to do. */
export declare function nativeError(code: ErrorCode, { errno, syscall, context }: Omit<NativeError, 'code'>, hint?: string | undefined): ProcessMonitorError;
/** What to do about it, in one sentence. */
export declare function hintFor(error: ProcessMonitorError): string;
/** What `initialize()` and others reject with where the last `stop()` came first. */
export declare function stoppedError(): ProcessMonitorError;
/** What a call rejects with that needs a monitor that has been initialized. */
export declare function notInitializedError(): ProcessMonitorError;
/** As Node.js's own: an `AbortError` whose cause is the signal's reason. */
export declare function abortError(signal: AbortSignal): Error;
/** A TypeError as Node.js's own for an argument, or a property of one, of a wrong type. */
export declare function invalidArgType(name: string, expected: string, actual: unknown): TypeError;
/** A RangeError as Node.js's own for an argument, or a property of one, of the right type and a wrong value. */
export declare function outOfRange(name: string, expected: string, actual: unknown): RangeError;
/** Refuses all but integers within the bounds. */
export declare function checkInteger(name: string, value: unknown, least: number, most: number): asserts value is number;
/** Refuses all but one of the given strings. */
export declare function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void;
/** Refuses all but true and false; undefined stands for false. */
export declare function checkFlag(name: string, value: unknown): asserts value is boolean | undefined;
/** Refuses all but objects; functions and null are none. */
export declare function checkObject(name: string, value: unknown): asserts value is object;
/** A path of at least one character, or the fallback where none is given. */
export declare function checkPath(name: string, value: unknown, fallback: string): string;
