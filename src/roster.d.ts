/** Those who are subscribed to events of one kind, in their order, and whom of them an event can concern. */
import type { Judged } from './filter.js';
import type { Narrow } from './wishes.js';
/** Of a subscription, what a roster must know. */
export interface Member {
    /** Grows from one subscription to the next. */
    readonly place: number;
    /** Holds the exact name or exe that the process must have, if any. */
    readonly narrow: Narrow | null;
}
/** Never changed, but replaced, so that a dispatch that runs over it stays whole. */
export declare class Roster<M extends Member> {
    #private;
    readonly all: readonly M[];
    constructor(all?: readonly M[]);
    with(member: M): Roster<M>;
    without(member: M): Roster<M>;
    /** In their order, all but those who wait for an exact name, or exe, that this process has not: however many they are. */
    concerned(process: Judged): readonly M[];
}
