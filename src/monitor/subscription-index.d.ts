/** The subscriptions to events of one type, in their order, by the exact name or exe that they ask for. */
import type { FilterCriteria } from '../native/interest.js';
import type { FilterSubject } from '../native/record-view.js';
/** The properties of a subscription that the index needs. */
export interface IndexEntry {
    /** Grows from one subscription to the next. */
    readonly place: number;
    readonly callback: unknown;
    /** Holds the exact name or exe that the process must have, if any. */
    readonly criteria: FilterCriteria | null;
}
/** Changes in place: an iteration that is under way gives entries that are added last, and none that was deleted. */
export declare class SubscriptionIndex<E extends IndexEntry> {
    #private;
    get all(): Iterable<E>;
    /** Returns false, and adds nothing, if an entry with this callback is there. */
    add(entry: E): boolean;
    delete(entry: E): void;
    /** Returns, in their order, the entries with this process's name or exe, and those that ask for no exact one. */
    candidates(process: FilterSubject): Iterable<E>;
}
