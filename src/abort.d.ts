/** One listener for each signal, however much is ended by it: Node.js warns of more than ten, and each is a search. */
/** Has `callback`, which must not throw, called once when `signal` is aborted. Returns what takes that back. */
export declare function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void;
