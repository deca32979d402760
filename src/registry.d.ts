import type { EventOf, EventType } from './event-types.js';
import { type Reading } from './reading.js';
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from './types.js';
import { type Wish } from './wishes.js';
/** What all subscribers want together, as the native part is told it. */
export interface Interest {
    /** The mask of event types. */
    readonly kinds: number;
    /** The mask of process fields. */
    readonly fields: number;
    /** Of which processes; undefined: of all. */
    readonly wishes: readonly Wish[] | undefined;
}
/** Whom the registry tells of what it needs. */
export interface RegistryOwner {
    /** The interest is another than before. */
    interestChanged(interest: Interest): void;
    /** Has the processes already running reported; returns the id of that scan. */
    scan(): number;
}
export declare class Registry {
    #private;
    /** Callbacks called so far. */
    executed: number;
    constructor(owner: RegistryOwner);
    get interest(): Interest;
    /** Checks the arguments as a user gave them, and subscribes; `ProcessMonitor.subscribe` tells the rest. */
    subscribe<T extends EventType>(type: T, callback: ProcessCallback<EventOf<T>>, options: SubscribeOptions): Unsubscribe;
    /** Sets the processes whose exit is wanted without a subscription. */
    awaitExits(pids: readonly number[]): void;
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
