/** One listener for each signal, however much it ends: Node.js warns of more than ten, and searches them to remove one. */

/** By signal, the callbacks in their order. */
const callbacks = new WeakMap<AbortSignal, Set<() => void>>()

/** Has `callback`, which must not throw, called once when `signal` is aborted. Returns what takes that back. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  let all = callbacks.get(signal)
  if (all === undefined) {
    callbacks.set(signal, (all = new Set()))
    signal.addEventListener('abort', callAll, { once: true })
  }
  // One function may be given twice.
  const entry = (): void => callback()
  all.add(entry)
  return () => {
    if (!all.delete(entry) || all.size > 0) return
    callbacks.delete(signal)
    signal.removeEventListener('abort', callAll)
  }
}

function callAll(this: AbortSignal): void {
  const all = callbacks.get(this)
  if (all === undefined) return
  callbacks.delete(this)
  for (const callback of all) {
    all.delete(callback)
    callback()
  }
}
