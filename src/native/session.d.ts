/** One run of the native source, from its opening to the end of its thread: records are pumped here, and answered. */
import { type ProcessMonitorError } from '../api/errors.js';
import type { ExitEvent } from '../api/event-types.js';
import type { LossReport } from '../api/types.js';
import type { NativeBinding, NativeOptions } from './binding.js';
import type { FilterRule, RuleListener } from './interest.js';
import { RecordBuffer } from './record.js';
/** The calls of a session to its owner; all but `onClosed` cease with `stop()`. */
export interface SessionListener {
    /** A record of a process. */
    onEvent(buffer: RecordBuffer, at: number): void;
    /** Every process that a scan has found running has been reported. */
    onScanFinished(id: number): void;
    /** Whether a process is running, or else how it has ended, where it is still there to be asked. */
    onWatchResult(id: number, result: boolean | ExitEvent): void;
    onLoss(report: LossReport): void;
    onRestart(error: ProcessMonitorError): void;
    /** The process connector cannot be had, or not any more: /proc is polled instead. */
    onFallback(reason: ProcessMonitorError): void;
    /** The thread is gone. `failure` is why the source ended by itself, null where it was stopped. */
    onClosed(failure: ProcessMonitorError | null): void;
}
/** A promise, and what settles it. */
export interface Deferred {
    readonly promise: Promise<void>;
    readonly resolve: () => void;
    readonly reject: (error: ProcessMonitorError) => void;
}
export declare class Session implements RuleListener {
    #private;
    /** `keepsAlive`: true if events that wait keep Node.js running. */
    constructor(native: NativeBinding, options: NativeOptions, keepsAlive: boolean, listener: SessionListener);
    /** Where events come from, once that is open. */
    get kind(): 'netlink' | 'polling' | null;
    /**
     * Resolves when the source is open and all running processes have been reported. Rejects, once everything is torn
     * down, where it does not come to that.
     */
    ready(): Promise<void>;
    /** Has all running processes reported, and returns the id under which that is done. */
    scan(): number;
    /** Has the end of a process awaited, whoever its parent is. */
    watchExit(id: number, pid: number): void;
    addRule(rule: FilterRule): void;
    removeRule(rule: FilterRule): void;
    /** From here on only `onClosed` is called. */
    stop(): void;
    counters(): Float64Array;
    /** Sets whether events that wait keep Node.js running. */
    setKeepAlive(keepsAlive: boolean): void;
}
export declare function deferred(): Deferred;
