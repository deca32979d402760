/** Times, durations, command lines and outcomes in words. */
import type { EventEntry, LossEntry } from '../entries/entry.js'
import { printable } from './text.js'

/** A shorter lifetime is marked, because polling every 10 ms would have missed the process. */
const SHORT_NS = 10e6

/** Formats a local time with milliseconds. */
export function formatTime(time: Date): string {
  return `${formatSeconds(time)}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** Formats a local time with seconds. */
export function formatSeconds(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => twoDigits(n)).join(':')
}

/** Formats a duration in its largest unit and the next smaller one: at most 7 characters below 1000 days. */
export function formatDuration(ns: number | null): string {
  if (ns === null) return '-'
  // Round first, because 59.96 s is shown as a minute.
  const tenthsOfMs = Math.round(ns / 1e5)
  if (tenthsOfMs < 10_000) return `${(tenthsOfMs / 10).toFixed(1)}ms`
  const tenthsOfS = Math.round(ns / 1e8)
  if (tenthsOfS < 600) return `${(tenthsOfS / 10).toFixed(1)}s`
  const s = Math.round(ns / 1e9)
  if (s < 3600) return `${Math.floor(s / 60)}m${twoDigits(s % 60)}s`
  const min = Math.round(ns / 60e9)
  if (min < 24 * 60) return `${Math.floor(min / 60)}h${twoDigits(min % 60)}m`
  const h = Math.round(ns / 3600e9)
  return `${Math.floor(h / 24)}d${twoDigits(h % 24)}h`
}

/** Formats the duration of a run, for a sentence. */
export function formatElapsed(ms: number): string {
  // Whole minutes read better as minutes.
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms * 1e6)
}

/** Formats the time since the start in seconds: at most 9 characters below 1,000,000 s. */
export function formatOffset(ns: number): string {
  const s = ns / 1e9
  return `${s.toFixed(s < 9999.9995 ? 3 : 1)}s`
}

export function plural(count: number, word: string, words: string = `${word}s`): string {
  return `${count} ${count === 1 ? word : words}`
}

/** Returns `a, b and c`. */
export function inWords(items: readonly string[], conjunction: 'and' | 'or'): string {
  return [items.slice(0, -1).join(', '), ...items.slice(-1)].filter(Boolean).join(` ${conjunction} `)
}

export interface Outcome {
  readonly exitCode?: number | null
  readonly signal?: string | null
}

/** Returns true if a process ended by a signal or with an exit code other than 0. Unknown counts as success. */
export function isFailed({ signal, exitCode }: Outcome): boolean {
  return (signal ?? null) !== null || (exitCode ?? 0) !== 0
}

export function isShort({ durationNs }: { readonly durationNs?: number | null }): boolean {
  return (durationNs ?? Infinity) < SHORT_NS
}

/** Returns the exit code or the signal's name; `-` if neither is known. */
export function statusOf({ signal, exitCode }: Outcome): string {
  return printable(signal ?? `${exitCode ?? '-'}`)
}

/** Returns the command line as typed to a shell, or the name if the arguments are unknown. */
export function commandOf({ argv, name }: Partial<Pick<EventEntry, 'argv' | 'name'>>): string {
  if (argv !== null && argv !== undefined && argv.length > 0) return argv.map(quoted).join(' ')
  return typeof name === 'string' ? printable(name) : '-'
}

/** Returns the command line, or `(a fork of PARENT)` for a process without an exec. */
export function commandOrFork(entry: EventEntry): string {
  const { type, argv, name, parentName, durationNs = null } = entry
  const isFork = type === 'fork' || (type === 'exit' && durationNs === null && argv === null)
  return isFork && (name === null || name === parentName) ? forkOf(parentName) : commandOf(entry)
}

export function forkOf(parentName: string | null): string {
  return parentName === null ? '-' : `(a fork of ${printable(parentName)})`
}

/** Quotes an argument for a shell, if needed. */
function quoted(argument: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./~^[\]{}-]+$/u.test(argument)) return argument
  return `'${printable(argument).replaceAll("'", String.raw`'\''`)}'`
}

export function lossText({ cause, lost, recoveredExecs, recoveredExits }: LossEntry): string {
  if (cause === 'output') return `${plural(lost, 'line')} skipped: what reads the output is slower than the events`
  const by = cause === 'socket' ? "the kernel's socket" : 'the queue to JavaScript'
  const recovered = `${plural(recoveredExecs, 'exec')} and ${plural(recoveredExits, 'exit')} were recovered from /proc`
  return `${plural(lost, 'event')} lost by ${by}; ${recovered}`
}

function twoDigits(n: number): string {
  return String(n).padStart(2, '0')
}
