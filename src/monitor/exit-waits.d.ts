/** The promises of `waitForExit`, by process. */
import { ProcessMonitorError } from '../api/errors.js';
import type { ExitEvent } from '../api/event-types.js';
import type { InterestBuilder } from '../native/interest.js';
import { type RecordView } from '../native/record-view.js';
import type { StopListener } from './event-stream.js';
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
export declare class ExitWaits implements StopListener {
    #private;
    constructor(interest: InterestBuilder);
    get size(): number;
    /** From here on the exits of that pid are listened to; whether it is running is still to be asked. */
    begin(pid: number, signal: AbortSignal | undefined): Wait;
    /** Takes a record of whatever kind. */
    dispatch(record: RecordView): void;
    /** The result to whether the process is running, or else how it has ended. */
    onWatchResult(id: number, result: boolean | ExitEvent): void;
    onMonitorEnd(failure: ProcessMonitorError | null): void;
}
