/** What the native part is told of the subscriptions' filters, so that JavaScript is not woken for what nobody takes. */
/** What a filter asks that the native part can judge; all of it must hold. */
export interface Narrow {
    readonly name?: string;
    readonly exe?: string;
    readonly uid?: number;
    readonly ancestor?: number;
    /** The facade's number for this wish to follow an ancestor: 1 or more. */
    readonly ancestorId?: number;
    /** The process itself. */
    readonly pid?: number;
}
/** Events of some kinds, a mask, of the processes of which all that is given holds. */
export interface Wish extends Narrow {
    readonly kinds: number;
}
/** Collects wishes; those that ask the same are one. */
export declare class Wishes {
    #private;
    add(kinds: number, narrow: Narrow | null): void;
    /** The mask of all kinds that are wanted at all. */
    get kinds(): number;
    /** undefined: all events of all kinds that are wanted. */
    list(): readonly Wish[] | undefined;
}
