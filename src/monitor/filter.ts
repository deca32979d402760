/** Compiles a ProcessFilter to a predicate over captured details, and to the details that it needs captured. */
import { types } from 'node:util'
import { checkInteger, checkListOf, checkObject, invalidArgType } from '../api/errors.js'
import type { ProcessField } from '../api/event-types.js'
import type { ProcessFilter } from '../api/options.js'
import { PID_MAX_LIMIT } from '../native/binding.js'
import type { FilterCriteria } from '../native/interest.js'
import type { FilterSubject } from '../native/record-view.js'
import { PROCESS_FIELDS } from '../native/record.js'

/** Returns true if a process passes. */
export type Predicate = (process: FilterSubject) => boolean

/** A checked and compiled ProcessFilter. */
export interface CompiledFilter {
  /** The mask of the fields that `matches` reads. */
  readonly fields: number
  /** null: every process passes, also one whose exec was not seen. */
  readonly matches: Predicate | null
  /** The tag of records whose process descends from the filter's ancestor. 0: the filter has no ancestor. */
  readonly ancestorId: number
  /** The conditions that the native part can check as well. null: none. */
  readonly criteria: FilterCriteria | null
}

const UID_MAX = 2 ** 32 - 1

let lastAncestorId = 0

/** Checks and compiles a filter. Errors name its properties `options.*`. */
export function compileFilter(filter: ProcessFilter): CompiledFilter {
  const conditions: Predicate[] = []
  const criteria: { -readonly [K in keyof FilterCriteria]: FilterCriteria[K] } = {}
  let fields = 0
  const addCondition = (field: ProcessField, condition: Predicate): void => {
    fields |= fieldMask([field])
    conditions.push(condition)
  }

  // Cheap conditions come first, because the first that does not hold decides.
  const { uid } = filter
  if (uid !== undefined) {
    checkInteger('options.uid', uid, 0, UID_MAX)
    addCondition('uid', (process) => process.uid === uid)
    criteria.uid = uid
  }
  for (const field of ['name', 'exe', 'cwd', 'cgroup', 'commandLine'] as const) {
    const pattern = filter[field]
    if (pattern === undefined) continue
    const condition = textCondition(field, pattern)
    if (field === 'name') {
      // A process that has renamed itself is known by both names.
      const commCondition = textCondition('comm', pattern)
      addCondition('comm', (process) => condition(process) || commCondition(process))
      fields |= fieldMask(['name'])
    } else addCondition(field === 'commandLine' ? 'argv' : field, condition)
    if ((field === 'name' || field === 'exe') && typeof pattern === 'string') criteria[field] = pattern
  }

  const { ancestor } = filter
  if (ancestor !== undefined) {
    checkInteger('options.ancestor', ancestor, 1, PID_MAX_LIMIT)
    criteria.ancestor = ancestor
    criteria.ancestorId = ++lastAncestorId
  }

  return {
    fields,
    matches: all(conditions),
    ancestorId: criteria.ancestorId ?? 0,
    criteria: Object.keys(criteria).length === 0 ? null : criteria,
  }
}

/** Returns the mask of some fields, in the native part's bits. */
export function fieldMask(fields: readonly ProcessField[]): number {
  return fields.reduce((mask, field) => mask | (1 << PROCESS_FIELDS.indexOf(field)), 0)
}

/** Checks the option `capture`, and returns the mask of its fields. 0: none. */
export function captureMask(capture: unknown): number {
  if (capture === undefined) return 0
  checkListOf('options.capture', capture, PROCESS_FIELDS)
  return fieldMask(capture as ProcessField[])
}

/** Throws unless the value is an abort signal or undefined. Checks its shape as Node.js does, because realms may differ. */
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

function textCondition(field: Exclude<keyof FilterSubject, 'uid'>, pattern: unknown): Predicate {
  if (typeof pattern === 'string') return (process) => process[field] === pattern
  if (!types.isRegExp(pattern)) throw invalidArgType(`options.${field}`, 'a string or an instance of RegExp', pattern)
  // Copy the user's RegExp, because with the flags g and y it stores the end of its last match in `lastIndex`.
  const copy = new RegExp(pattern)
  return (process) => {
    const text = process[field]
    if (text === null) return false
    copy.lastIndex = 0
    return copy.test(text)
  }
}
