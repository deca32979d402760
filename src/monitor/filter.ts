/** What a ProcessFilter means: a predicate over what was captured, and the details that it needs captured. */
import { types } from 'node:util'
import { checkInteger, checkObject, checkOneOf, invalidArgType } from '../api/errors.js'
import { PROCESS_FIELDS } from '../native/record.js'
import type { ProcessField } from '../api/event-types.js'
import type { ProcessFilter } from '../api/types.js'
import type { Narrow } from '../native/interest.js'

/** What filters look at of a process; null, for what was not read or if its exec was not seen, matches nothing. */
export interface Judged {
  readonly name: string | null
  readonly exe: string | null
  readonly commandLine: string | null
  readonly cgroup: string | null
  readonly uid: number | null
}

/** Whether a process passes. */
export type Predicate = (process: Judged) => boolean

/** A ProcessFilter made ready for use. */
export interface Filter {
  /** The mask of the fields that `matches` looks at. */
  readonly fields: number
  /** null: everything passes, unseen processes too. */
  readonly matches: Predicate | null
  /** The number of its wish to follow an ancestor; 0 where it has none. */
  readonly ancestorId: number
  /** What of it the native part can judge, too; null: nothing. */
  readonly narrow: Narrow | null
}

const UID_MAX = 2 ** 32 - 1
/** The kernel's own limit (PID_MAX_LIMIT on 64 bits). */
export const PID_MAX: number = 2 ** 22

let lastAncestorId = 0

/** Checks and compiles a filter; property names in errors are those of the options it came with. */
export function compileFilter(filter: ProcessFilter): Filter {
  const conditions: Predicate[] = []
  const narrow: { -readonly [K in keyof Narrow]: Narrow[K] } = {}
  let fields = 0
  const demand = (field: ProcessField, condition: Predicate): void => {
    fields |= fieldMask([field])
    conditions.push(condition)
  }

  // The cheap ones come first: the first that does not hold decides.
  const { uid } = filter
  if (uid !== undefined) {
    checkInteger('options.uid', uid, 0, UID_MAX)
    demand('uid', (process) => process.uid === uid)
    narrow.uid = uid
  }
  for (const field of ['name', 'exe', 'cgroup', 'commandLine'] as const) {
    const pattern = filter[field]
    if (pattern === undefined) continue
    demand(field === 'commandLine' ? 'argv' : field, textCondition(field, pattern))
    if ((field === 'name' || field === 'exe') && typeof pattern === 'string') narrow[field] = pattern
  }

  const { ancestor } = filter
  if (ancestor !== undefined) {
    checkInteger('options.ancestor', ancestor, 1, PID_MAX)
    narrow.ancestor = ancestor
    narrow.ancestorId = ++lastAncestorId
  }

  return {
    fields,
    matches: all(conditions),
    ancestorId: narrow.ancestorId ?? 0,
    narrow: Object.keys(narrow).length === 0 ? null : narrow,
  }
}

/** The mask of some fields, as the native part is told it. */
export function fieldMask(fields: readonly ProcessField[]): number {
  return fields.reduce((mask, field) => mask | (1 << PROCESS_FIELDS.indexOf(field)), 0)
}

/** The mask of the fields that `capture` names, or 0 without one. */
export function captureMask(capture: unknown): number {
  if (capture === undefined) return 0
  if (!Array.isArray(capture)) throw invalidArgType('options.capture', 'an array of strings', capture)
  capture.forEach((field, i) => checkOneOf(`options.capture[${i}]`, field, PROCESS_FIELDS))
  return fieldMask(capture)
}

/** Refuses all but abort signals, as Node.js does: by their shape, since there may be several realms. */
export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined) return
  checkObject('options.signal', signal)
  if (!('aborted' in signal)) throw invalidArgType('options.signal', 'an AbortSignal', signal)
}

function all(conditions: readonly Predicate[]): Predicate | null {
  const [first, ...others] = conditions
  if (first === undefined) return null
  return others.length === 0 ? first : (process) => conditions.every((condition) => condition(process))
}

function textCondition(field: 'name' | 'exe' | 'cgroup' | 'commandLine', pattern: unknown): Predicate {
  if (typeof pattern === 'string') return (process) => process[field] === pattern
  if (!types.isRegExp(pattern)) throw invalidArgType(`options.${field}`, 'a string or an instance of RegExp', pattern)
  // A copy of its own: under the flags g and y a RegExp remembers where its last match ended, and the user's may be in
  // use elsewhere.
  const own = new RegExp(pattern)
  return (process) => {
    const text = process[field]
    if (text === null) return false
    own.lastIndex = 0
    return own.test(text)
  }
}
