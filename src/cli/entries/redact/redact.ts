/** Hides confidential parts of a list of arguments. */
import { type Following, NOTHING, REDACTED, Scan, VALUE } from './argument.js'
import { isBareName, isConfidential, isScheme, takesSecret } from './confidential.js'

/**
 * Returns what may be shown instead of these arguments. It errs on the side of hiding. A confidential value is found by
 * the name before it: `NAME=VALUE`, `NAME: VALUE`, `--NAME VALUE`, wherever in an argument that stands; and in URLs.
 */
export function redact(argv: readonly string[]): string[] {
  const closers = lastClosers(argv)
  let following = NOTHING
  return argv.map((argument, index) => {
    const before = following
    const scan = new Scan(argument, before.is === 'separator')
    const shown = scan.run()
    following = followingOf(argument, scan, index)
    if (following.is === 'rest' && !(closers.get(following.until)! > index)) following = NOTHING
    if (!isHidden(before, argument)) return shown
    if (before.is === 'rest' && !argument.includes(before.until)) following = before
    else if (isScheme(argument)) following = VALUE
    else if (before.is === 'value') following = afterValue(argument, index, following, closers)
    return REDACTED
  })
}

function isHidden(before: Following, argument: string): boolean {
  if (before.is === 'value') return !(before.unlessOption && argument.startsWith('-')) && argument !== ''
  return before.is === 'rest'
}

/** The value of an option may have a quote that a later argument closes. */
function afterValue(
  argument: string,
  index: number,
  following: Following,
  closers: ReadonlyMap<string, number>,
): Following {
  // "--password = VALUE": the separator is an argument of its own.
  if (/^[=:]+$/.test(argument)) return VALUE
  const quote = /^["']/.exec(argument)?.[0]
  if (quote !== undefined && argument.indexOf(quote, 1) < 0 && closers.get(quote)! > index)
    return { is: 'rest', until: quote }
  return following.is === 'value' && following.unlessOption ? NOTHING : following
}

function followingOf(argument: string, scan: Scan, index: number): Following {
  if (scan.following !== null) return scan.following
  const name = scan.nameBefore(argument.length)
  if (name === '') return NOTHING
  if (name.startsWith('-')) return takesSecret(name) ? VALUE : NOTHING
  if (index > 0 && isBareName(argument)) return { is: 'value', unlessOption: true }
  return isConfidential(name) ? { is: 'separator' } : NOTHING
}

const CLOSERS = ['"', "'", '`', ']', '}'] as const

/** For each closing character, the index of the last argument that has it. */
function lastClosers(argv: readonly string[]): ReadonlyMap<string, number> {
  return new Map(CLOSERS.map((closer) => [closer, argv.findLastIndex((argument) => argument.includes(closer))]))
}
