/** One listener for each signal, however much it ends: Node.js warns of more than ten, and searches them to remove one. */
/** Has `callback`, which must not throw, called once when `signal` is aborted. Returns what takes that back. */
export declare function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void;
