/** What one subscription is told, and when, while the processes already running are being reported to it alone. */
import type { ProcessEvent } from '../api/event-types.js';
import { type RecordView } from '../native/record-view.js';
/**
 * Live execs wait until every process that is running has been reported, so that those come first; but where more is
 * told of a process, its exec goes ahead, so that nobody hears of a process's exit before its exec. What waits is one
 * exec of each process that is running, at most.
 */
export declare class Replay {
    #private;
    constructor(deliver: (event: ProcessEvent) => void);
    /** Any live record, before anybody is told of it. */
    flushPending(record: RecordView): void;
    /** A live exec that the subscription is to be told of. */
    hold(event: ProcessEvent): void;
    /** A process that the scan has found running and that passes the filter. */
    onFound(event: ProcessEvent): void;
    /** Every process that was running has been reported. */
    finish(): void;
}
