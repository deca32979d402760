/** Remembers the redacted forms of lists of arguments, because a machine starts the same commands again and again. */

/** Lists that are remembered. */
const LISTS_MAX = 4096
/** Characters of all lists that are remembered, before and after. Twice as many bytes at most. */
const CHARACTERS_MAX = 4 * 2 ** 20
/** The most characters of one list that is remembered. Longer ones are rarely equal. */
const LIST_MAX = 16 * 1024

type Redact = (argv: readonly string[]) => readonly string[]

/**
 * Returns a function with the same results. Equal arguments are redacted once, as long as they are remembered. When too many
 * are, all are forgotten, so that the memory is bounded.
 *
 * Exceptions are not remembered.
 */
export function memoized(redact: Redact, listsMax: number = LISTS_MAX): Redact {
  const known = new Map<string, readonly string[]>()
  // Events share the lists of equal arguments. A list that is not frozen may change.
  const sameLists = new WeakMap<readonly string[], readonly string[]>()
  let characters = 0
  const redactEqual: Redact = (argv) => {
    // No argument has a NUL, and the number of arguments tells [] from [''].
    const key = `${argv.length}\0${argv.join('\0')}`
    if (key.length > LIST_MAX) return redact(argv)
    const before = known.get(key)
    if (before !== undefined) return before
    const redacted = Object.freeze([...redact(argv)])
    const added = key.length + redacted.reduce((sum, argument) => sum + argument.length, 0)
    if (known.size >= listsMax || characters + added > CHARACTERS_MAX) {
      known.clear()
      characters = 0
    }
    known.set(key, redacted)
    characters += added
    return redacted
  }
  return (argv) => {
    const before = sameLists.get(argv)
    if (before !== undefined) return before
    const redacted = redactEqual(argv)
    if (Object.isFrozen(argv)) sameLists.set(argv, redacted)
    return redacted
  }
}
