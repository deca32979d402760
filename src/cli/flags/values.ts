/** Parses the values of options: patterns, durations, numbers, users, lists. */
import type { EventType, ProcessField } from '../../api/event-types.js'
import { nearest } from '../../api/nearest.js'
import { LATENCY_MAX_MS, TIMER_MAX_MS } from '../../monitor/options.js'
import { PID_MAX_LIMIT } from '../../native/binding.js'
import { PROCESS_FIELDS } from '../../native/record.js'
import type { Users } from '../entries/users.js'
import { UsageError } from '../exit-codes.js'
import { inWords } from '../output/format.js'
import { ALL_EVENTS, EVENTS } from './options.js'

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

/** Parses a pattern of names. */
export function namePattern(option: string, text: string): string | RegExp {
  return patternOf('a name', 'A path is matched by --exe.', option, text)
}

/** Parses a pattern of container ids. */
export function idPattern(option: string, text: string): string | RegExp {
  return patternOf('an id', 'The path of a control group is matched by --cgroup.', option, text)
}

/** Parses a pattern of absolute paths. A text that is none would match nothing, without a word. */
export function pathPattern(option: string, text: string): string | RegExp {
  const parsed = pattern(option, text)
  if (typeof parsed !== 'string' || parsed.startsWith('/')) return parsed
  const hint = option === '--exe' ? ` The name of a program is matched by --name.` : ''
  throw new UsageError(`${option}: expected an absolute path, /REGEX/ or /REGEX/i, got '${text}'.${hint}`)
}

/** Parses a pattern of texts that do not begin with a slash. One that begins so would match nothing, without a word. */
function patternOf(kind: string, hint: string, option: string, text: string): string | RegExp {
  const parsed = pattern(option, text)
  if (typeof parsed !== 'string' || !parsed.startsWith('/')) return parsed
  throw new UsageError(`${option}: expected ${kind}, /REGEX/ or /REGEX/i, got '${text}'. ${hint}`)
}

/** The values that an option of a duration takes. */
export interface DurationRange {
  /** The unit of a number alone. */
  readonly unit: Unit
  /** In milliseconds. */
  readonly least: number
  /** In milliseconds. */
  readonly most: number
  /** True: a fraction of a millisecond is refused. */
  readonly isWhole?: true
}

type Unit = keyof typeof MS_BY_UNIT

const MS_BY_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** The time until a timer ends, or between its ends. */
export const TIMER: DurationRange = { unit: 's', least: 1, most: TIMER_MAX_MS }
export const LIFETIME: DurationRange = { unit: 's', least: 0, most: Number.MAX_SAFE_INTEGER }
export const LATENCY: DurationRange = { unit: 'ms', least: 0, most: LATENCY_MAX_MS, isWhole: true }

/** Parses a duration to milliseconds. */
export function duration(option: string, text: string, { unit, least, most, isWhole }: DurationRange): number {
  const [, digits, suffix = unit] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/.exec(text) ?? []
  const ms = Number(digits) * MS_BY_UNIT[suffix as Unit]
  // A fraction such as 0.0123s is not exact in binary.
  const exact = isWhole === true ? Math.round(ms) : ms
  if (exact >= least && exact <= most && Math.abs(exact - ms) < 1e-6) return exact
  const range = most === Number.MAX_SAFE_INTEGER ? '' : ` from ${formatMs(least)} to ${formatMs(most)}`
  const whole = isWhole === true ? ' of whole milliseconds' : ''
  throw new UsageError(
    `${option}: expected a duration${range}${whole}, such as 100ms, 2s, 1.5m or 1h (a number alone: ${unit}), got '${text}'`,
  )
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms}ms` : `${Math.floor(ms / 1000)}s`
}

/** The sizes that an option takes, in bytes. */
export interface SizeRange {
  readonly least: number
  readonly most: number
}

export const BUFFER: SizeRange = { least: 64 * 1024, most: 2 ** 30 }
export const FILE_SIZE: SizeRange = { least: 64 * 1024, most: 2 ** 40 }

const BYTES_BY_UNIT = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const

/** Parses a size to bytes. */
export function size(option: string, text: string, { least, most }: SizeRange, or = ''): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMG])$/.exec(text.toUpperCase()) ?? []
  const bytes = Math.round(Number(digits) * BYTES_BY_UNIT[unit as keyof typeof BYTES_BY_UNIT])
  if (bytes >= least && bytes <= most) return bytes
  const range = `from ${formatSize(least)} to ${formatSize(most)}`
  throw new UsageError(`${option}: expected ${or}a size ${range}, such as 512K, 10M or 1G, got '${text}'`)
}

function formatSize(bytes: number): string {
  const unit = bytes >= 2 ** 30 ? 'G' : bytes >= 2 ** 20 ? 'M' : 'K'
  return `${bytes / BYTES_BY_UNIT[unit]}${unit}`
}

/** Parses the address of a server: a port or a host with a port, or the path of a socket. */
export function address(option: string, text: string): Address {
  if (text.startsWith('/')) return { path: text }
  const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})$/.exec(text) ?? []
  if (Number(port) <= 65_535) return { host: host?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port: Number(port) }
  throw new UsageError(
    `${option}: expected a port, HOST:PORT or the path of a socket that begins with /, got '${text}'`,
  )
}

export type Address = { readonly path: string } | { readonly host: string; readonly port: number }

/** Parses a sample, one of N, to N. */
export function sample(option: string, text: string): number {
  const [, digits] = /^1\/(\d{1,9})$/.exec(text) ?? []
  if (Number(digits) >= 1) return Number(digits)
  throw new UsageError(`${option}: expected 1/N with an integer N, such as 1/10, got '${text}'`)
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
  const near = didYouMean(nearest(text, allowed))
  throw new UsageError(`${option}: expected ${inWords(allowed, 'or')}, got '${text}'${near}`)
}

/** Returns the end of a message about a word that is misspelt. */
export function didYouMean(near: string | undefined): string {
  return near === undefined ? '' : `. Did you mean '${near}'?`
}

export function eventTypes(option: string, text: string): readonly EventType[] {
  const words = text.split(',').map((word) => oneOf(option, word.trim(), [...EVENTS, ALL_EVENTS]))
  return words.includes(ALL_EVENTS) ? EVENTS : [...new Set(words as EventType[])]
}

export function fields(option: string, text: string): readonly ProcessField[] {
  return [...new Set(text.split(',').map((word) => oneOf(option, word.trim(), PROCESS_FIELDS)))]
}

function integer(option: string, text: string, most: number): number {
  const value = numberOf(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${option}: expected an integer from 1 to ${most}, got '${text}'`)
}

function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text)
}
