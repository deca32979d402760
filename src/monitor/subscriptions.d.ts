import type { EventOf, EventType } from '../api/event-types.js';
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from '../api/types.js';
import type { InterestBuilder } from '../native/interest.js';
import { type RecordView } from '../native/record-view.js';
export declare class Registry {
    #private;
    /** Callbacks called so far. */
    executed: number;
    /** `scan` has the processes already running reported, and returns the id of that scan. */
    constructor(interest: InterestBuilder, scan: () => number);
    /** Checks the arguments as a user gave them, and subscribes; `ProcessMonitor.subscribe` tells the rest. */
    subscribe<T extends EventType>(type: T, callback: ProcessCallback<EventOf<T>>, options: SubscribeOptions): Unsubscribe;
    /** Ends all subscriptions. */
    clear(): void;
    /** Calls everybody whom a record concerns. Nothing is built of it if that is nobody. */
    dispatch(record: RecordView): void;
    /** All that a scan has found has been dispatched. */
    onScanFinished(id: number): void;
    /** The source has ended by itself: what is left of its scans will not come. Subscriptions are kept. */
    onSourceEnd(): void;
}
/** Throws a subscriber's exception as an uncaught one, after the current code, so that no other subscriber notices it. */
export declare function throwUncaught(error: unknown): void;
