/** Parses the values of options: patterns, numbers, users, lists. */
import type { EventType } from '../../api/event-types.js'
import { LATENCY_MAX_MS } from '../../monitor/options.js'
import { PID_MAX_LIMIT } from '../../native/binding.js'
import type { Users } from '../entries/users.js'
import { UsageError } from '../exit-codes.js'
import { ALL_EVENTS, EVENTS } from './options.js'

/** The longest delay that a timer takes, in whole seconds: 24 days. */
const SECONDS_MAX = Math.floor((2 ** 31 - 1) / 1000)

/** Parses a text that must be equal, or a regular expression between slashes. The only flag is i, because /bin/sh is a path. */
export function pattern(option: string, text: string): string | RegExp {
  const [, source, flags] = /^\/(.+)\/(i?)$/s.exec(text) ?? []
  if (source === undefined) return text
  try {
    return new RegExp(source, flags)
  } catch (error) {
    throw new UsageError(`${option}: ${error instanceof Error ? error.message : error}`)
  }
}

export function seconds(option: string, text: string): number {
  const value = numberOf(text)
  if (value > 0 && value <= SECONDS_MAX) return value
  throw new UsageError(`${option}: expected seconds > 0 and <= ${SECONDS_MAX}, got '${text}'`)
}

const MS_BY_UNIT: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Parses a lifetime to milliseconds. A number alone is seconds. */
export function lifetime(option: string, text: string): number {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? []
  const ms = Number(digits) * MS_BY_UNIT[unit]!
  if (ms <= Number.MAX_SAFE_INTEGER) return ms
  throw new UsageError(`${option}: expected a duration such as 100ms, 2s, 1.5m or 1h, got '${text}'`)
}

export function latency(option: string, text: string): number {
  const value = numberOf(text)
  if (Number.isInteger(value) && value >= 0 && value <= LATENCY_MAX_MS) return value
  throw new UsageError(`${option}: expected milliseconds from 0 to ${LATENCY_MAX_MS}, got '${text}'`)
}

export function count(option: string, text: string): number {
  return integer(option, text, Number.MAX_SAFE_INTEGER)
}

export function pid(option: string, text: string): number {
  return integer(option, text, PID_MAX_LIMIT)
}

export function user(option: string, text: string, users: Users): number {
  const uid = /^\d+$/.test(text) ? Number(text) : users.uidOf(text)
  if (uid !== undefined && uid < 2 ** 32) return uid
  throw new UsageError(`${option}: unknown user '${text}'`)
}

export function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text)
  if (found !== undefined) return found
  throw new UsageError(`${option}: expected ${alternatives(allowed)}, got '${text}'`)
}

export function eventTypes(option: string, text: string): readonly EventType[] {
  const words = text.split(',').map((word) => oneOf(option, word.trim(), [...EVENTS, ALL_EVENTS]))
  return words.includes(ALL_EVENTS) ? EVENTS : [...new Set(words as EventType[])]
}

/** Returns `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  return [words.slice(0, -1).join(', '), ...words.slice(-1)].filter(Boolean).join(' or ')
}

function integer(option: string, text: string, most: number): number {
  const value = numberOf(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${option}: expected an integer from 1 to ${most}, got '${text}'`)
}

function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text)
}
