/** What the values of the options mean: a word of the command line becomes a pattern, a number, a user. */
import type { EventType } from '../../api/event-types.js'
import { PID_MAX_LIMIT } from '../../monitor/filter.js'
import type { Users } from '../entries/users.js'
import { UsageError } from '../exit-codes.js'
import { EVENTS } from './options.js'

/** The longest delay that a timer takes, in whole seconds: 24 days. */
const SECONDS_MAX = Math.floor((2 ** 31 - 1) / 1000)

/** A text that must be equal, or between slashes an expression that must match. Only one flag: /bin/sh is a path. */
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
  throw new UsageError(`${option} must be a number of seconds above 0, at most ${SECONDS_MAX}, and is '${text}'`)
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
  throw new UsageError(`${option}: there is no user '${text}'`)
}

export function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text)
  if (found !== undefined) return found
  throw new UsageError(`${option} must be one of ${allowed.join(', ')}, and is '${text}'`)
}

export function eventTypes(option: string, text: string): readonly EventType[] {
  if (text === 'all') return EVENTS
  return [...new Set(text.split(',').map((word) => oneOf(option, word.trim(), EVENTS)))]
}

function integer(option: string, text: string, most: number): number {
  const value = numberOf(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${option} must be a whole number from 1 to ${most}, and is '${text}'`)
}

function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text)
}
