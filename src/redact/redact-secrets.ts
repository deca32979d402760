/** Hides confidential parts of a list of arguments. */
import { type Following, NOTHING, Scan, VALUE } from './argument.js'
import { Command } from './command.js'
import { isBareName, isConfidential, isScheme, takesSecret } from './confidential.js'
import { decodedForms, originOf } from './encoding.js'
import { addScriptSpans } from './script.js'
import { REDACTED, type Span, hideSpans } from './spans.js'
import { PEM_END, addBearerSpans, addOracleSpans, addPrivateKeySpans, addTokenSpans } from './tokens.js'

/**
 * The number of characters of an argument that are read. The kernel allows 131,072 bytes for one argument of an exec
 * (`MAX_ARG_STRLEN`, linux/binfmts.h), so that only a text that was written later, or no argument at all, is longer.
 */
const LENGTH_MAX = 131_072
/** The number of characters at the end of a longer argument that are read for a name that the next argument belongs to. */
const END_LENGTH = 1024

/**
 * Arguments with secrets replaced, as the command's `--redact` does it.
 *
 * A secret is found by the name before it, by the program that gets it, or by its shape. `docs/redaction.md` lists the covered
 * forms. If in doubt, the text is hidden. Other secrets stay: do not take the result for harmless. The time is linear in the
 * length. An argument longer than the kernel allows, 131,072 characters, is hidden from there on.
 *
 * ```ts
 * import { getProcessMonitor, redactSecrets } from 'proc-events'
 *
 * await getProcessMonitor().initialize({ redact: redactSecrets })
 * ```
 *
 * @param argv - the arguments, the program's own name first. They are not changed.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` if it is not an array of strings.
 * @returns as many arguments, in which each secret is `[redacted]`.
 */
export function redactSecrets(argv: readonly string[]): string[] {
  // findIndex() also visits the holes of a sparse array.
  if (!Array.isArray(argv) || argv.findIndex((argument) => typeof argument !== 'string') >= 0)
    throw Object.assign(new TypeError('The "argv" argument must be an array of strings'), {
      code: 'ERR_INVALID_ARG_TYPE',
    })
  const closers = lastClosers(argv)
  const command = new Command()
  let following = NOTHING
  return argv.map((whole, index) => {
    const before = following
    const argument = isTooLong(whole) ? whole.slice(0, LENGTH_MAX) : whole
    const rest = argument.length < whole.length ? REDACTED : ''
    const spans: Span[] = []
    const scan = new Scan(argument, before.is === 'separator', spans)
    scan.run()
    const isKeyOpen = addPrivateKeySpans(argument, spans)
    addOtherSpans(argument, spans)
    const secret = command.next(argument)
    if (secret >= 0) spans.push([secret, argument.length])

    following = isKeyOpen ? { is: 'rest', until: PEM_END } : followingOf(argument, scan, index)
    if (rest !== '') following = followingOfEnd(whole, index)
    if (following.is === 'rest' && !isKeyOpen && !(closers.get(following.until)! > index)) following = NOTHING
    if (!isHidden(before, argument)) return hideSpans(argument, spans) + rest
    if (before.is === 'rest' && !argument.includes(before.until)) following = before
    else if (isScheme(argument)) following = VALUE
    else if (before.is === 'value') following = afterValue(argument, index, following, closers)
    return REDACTED
  })
}

/** Returns true for an argument whose end is hidden unread. Letters and digits alone take little time. */
function isTooLong(argument: string): boolean {
  return argument.length > LENGTH_MAX && /[^A-Za-z0-9]/.test(argument)
}

/** Returns the consequence of an argument that was read in part only. */
function followingOfEnd(whole: string, index: number): Following {
  const end = whole.slice(-END_LENGTH)
  const scan = new Scan(end, false, [])
  scan.run()
  return followingOf(end, scan, index)
}

/** Adds the ranges that do not depend on other arguments. */
function addOtherSpans(argument: string, spans: Span[]): void {
  addTokenSpans(argument, spans)
  addBearerSpans(argument, spans)
  addOracleSpans(argument, spans)
  addScriptSpans(argument, spans)
  for (const form of decodedForms(argument)) {
    const first = spans.length
    new Scan(form.text, false, spans).run()
    addTokenSpans(form.text, spans)
    addBearerSpans(form.text, spans)
    for (let at = first; at < spans.length; at++) spans[at] = originOf(form, spans[at]!)
  }
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
