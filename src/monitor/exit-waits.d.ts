import { ProcessMonitorError } from '../api/errors.js';
import type { ExitEvent } from '../api/event-types.js';
import { type Reading } from '../native/record-view.js';
import type { Dependent } from './event-stream.js';
import type { Wishes } from '../native/interest.js';
/** One promise to tell of a process's exit. */
export interface Wait {
    /** What the native part knows it by. */
    readonly id: number;
    readonly pid: number;
    readonly promise: Promise<ExitEvent>;
    /** False once it is settled: nothing is awaited any more. */
    readonly isPending: boolean;
    reject(error: unknown): void;
}
export declare class Waits implements Dependent {
    #private;
    constructor(wishes: Wishes);
    get size(): number;
    /** From here on the exits of that pid are listened to; whether it is running is still to be asked. */
    begin(pid: number, signal: AbortSignal | undefined): Wait;
    /** Takes a record of whatever kind. */
    dispatch(reading: Reading): void;
    /** The answer to whether the process is running, or else how it has ended. */
    watched(id: number, answer: boolean | ExitEvent): void;
    monitorEnded(failure: ProcessMonitorError | null): void;
}
