/** Shares one listener per signal. Node.js warns of more than ten listeners, and searches them linearly to remove one. */

/** The callbacks by signal, in order. */
const callbacks = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `callback`, which must not throw, once when `signal` is aborted. Returns a function that removes it. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {}
  let all = callbacks.get(signal)
  if (all === undefined) {
    callbacks.set(signal, (all = new Set()))
    signal.addEventListener('abort', callAll, { once: true })
  }
  // Wrap it, because one function may be added twice.
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
