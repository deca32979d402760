/** Those who are subscribed to events of one kind, in their order, and whom of them an event can concern. */
import type { Judged } from './filter.js';
import type { Narrow } from '../native/interest.js';
/** Of a subscription, what a roster must know. */
export interface Member {
    /** Grows from one subscription to the next. */
    readonly place: number;
    readonly callback: unknown;
    /** Holds the exact name or exe that the process must have, if any. */
    readonly narrow: Narrow | null;
}
/** Changes in place: an iteration that is under way gives members that are added last, and none that was deleted. */
export declare class Roster<M extends Member> {
    #private;
    get all(): Iterable<M>;
    /** Returns false, and adds nothing, if a member with this callback is there. */
    add(member: M): boolean;
    delete(member: M): void;
    /** In their order, all but those who wait for an exact name, or exe, that this process has not: however many they are. */
    concerned(process: Judged): Iterable<M>;
}
