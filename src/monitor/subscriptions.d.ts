import type { EventOf, EventType } from '../api/event-types.js';
import { type Reading } from '../native/record-view.js';
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from '../api/types.js';
import type { Wishes } from '../native/interest.js';
export declare class Registry {
    #private;
    /** Callbacks called so far. */
    executed: number;
    /** `scan` has the processes already running reported, and returns the id of that scan. */
    constructor(wishes: Wishes, scan: () => number);
    /** Checks the arguments as a user gave them, and subscribes; `ProcessMonitor.subscribe` tells the rest. */
    subscribe<T extends EventType>(type: T, callback: ProcessCallback<EventOf<T>>, options: SubscribeOptions): Unsubscribe;
    /** Ends all subscriptions. */
    clear(): void;
    /** Calls everybody whom a record concerns. Nothing is built of it if that is nobody. */
    dispatch(reading: Reading): void;
    /** All that a scan has found has been dispatched. */
    scanned(id: number): void;
    /** The source has ended by itself: what is left of its scans will not come. Subscriptions are kept. */
    sourceEnded(): void;
}
/** Has a user's exception surface as uncaught, after what runs now: nobody else is to notice it. */
export declare function surface(error: unknown): void;
