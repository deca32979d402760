/** First in, first out, at a cost that does not grow with what waits. */
export declare class Queue<T> {
    #private;
    get length(): number;
    push(item: T): void;
    /** The one that has waited longest; undefined where none waits. */
    shift(): T | undefined;
    /** Drops all, and gives them in their order. */
    clear(): T[];
}
