/** Finds the word that a misspelt one, or a word of another tool, was meant to be. */

/** The words for what others call by the key, in lower case. The first one that is known counts. */
const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map([
  ...synonyms(['cmd', 'command', 'cmdline', 'commandline'], ['commandLine', 'argv', 'cmd']),
  ...synonyms(['args', 'arguments', 'argv'], ['commandLine', 'argv', 'arguments', 'cmd']),
  ...synonyms(['comm'], ['name']),
  ...synonyms(['path', 'executable', 'binary'], ['exe']),
  ...synonyms(['dir', 'directory', 'workdir'], ['cwd']),
  ...synonyms(['user', 'username', 'userid', 'uid'], ['uid', 'user']),
  ...synonyms(['group', 'groupid'], ['gid']),
  ...synonyms(['container', 'containerid'], ['container', 'cgroup']),
  ...synonyms(['parent', 'ppid', 'ancestor'], ['ppid', 'ancestor', 'descendants-of']),
  ...synonyms(['fields', 'details'], ['capture']),
  ...synonyms(['type', 'types', 'event', 'events'], ['types', 'events']),
  ...synonyms(['start', 'spawn', 'launch'], ['exec']),
  ...synonyms(['end', 'stop', 'terminate'], ['exit']),
  ...synonyms(['timeout', 'time'], ['duration']),
  ...synonyms(['limit', 'max'], ['count']),
])

function synonyms(words: readonly string[], known: readonly string[]): (readonly [string, readonly string[]])[] {
  return words.map((word) => [word, known])
}

/** The most edits that one misspelling takes, as a share of the longer word. */
const MOST_EDITS = 0.4

/**
 * Returns the known word that means the same, or else the one with the fewest edits to the given word, regardless of case.
 * undefined: all differ too much.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const synonym = SYNONYMS.get(word.toLowerCase().replace(/[-_]/g, ''))?.find((one) => known.includes(one))
  if (synonym !== undefined) return synonym
  let best: string | undefined
  let fewest = Infinity
  for (const candidate of known) {
    const edits = countEdits(word.toLowerCase(), candidate.toLowerCase())
    if (edits >= fewest || edits > MOST_EDITS * Math.max(word.length, candidate.length)) continue
    fewest = edits
    best = candidate
  }
  return best
}

/** Returns the number of characters to insert, delete or replace, or of neighbours to swap. */
function countEdits(from: string, to: string): number {
  // A word that is much too long is no misspelling, and its comparison would take long.
  if (Math.abs(from.length - to.length) > MOST_EDITS * Math.max(from.length, to.length)) return Infinity
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = last[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      const swapped = isSwap ? beforeLast[j - 2]! + 1 : Infinity
      row.push(Math.min(replaced, last[j]! + 1, row[j - 1]! + 1, swapped))
    }
    beforeLast = last
    last = row
  }
  return last[to.length]!
}
