/** Times, durations, command lines and outcomes in words. */
import type { EventEntry, LossEntry } from '../entries/entry.js'
import { printable } from './text.js'

/** A process that lived shorter is marked: a look at /proc every 10 ms would not have seen it. */
const SHORT_NS = 10e6

/** Local, to the millisecond. */
export function formatTime(time: Date): string {
  return `${formatSeconds(time)}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** Local, to the second. */
export function formatSeconds(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => twoDigits(n)).join(':')
}

/** In the largest unit that it fills, and the next smaller one: at most 7 characters for anything below 1000 days. */
export function formatDuration(ns: number | null): string {
  if (ns === null) return '-'
  // Rounded first: what rounds to 60 s is a minute.
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

/** As long as a program runs, for a sentence. */
export function formatElapsed(ms: number): string {
  // A round minute and more reads better as such.
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms * 1e6)
}

export function plural(count: number, word: string, words: string = `${word}s`): string {
  return `${count} ${count === 1 ? word : words}`
}

export interface Outcome {
  readonly exitCode?: number | null
  readonly signal?: string | null
}

/** Ended by a signal, or with another exit code than 0; where neither is known, it did not. */
export function isFailed({ signal, exitCode }: Outcome): boolean {
  return (signal ?? null) !== null || (exitCode ?? 0) !== 0
}

export function isShort({ durationNs }: { readonly durationNs?: number | null }): boolean {
  return (durationNs ?? Infinity) < SHORT_NS
}

/** An exit code or a signal's name; `-` where neither is known. */
export function statusOf({ signal, exitCode }: Outcome): string {
  return printable(signal ?? `${exitCode ?? '-'}`)
}

/** What one would type to a shell, as far as it is known: at least the name. */
export function commandOf({ argv, name }: Partial<Pick<EventEntry, 'argv' | 'name'>>): string {
  if (argv !== null && argv !== undefined && argv.length > 0) return argv.map(quoted).join(' ')
  return typeof name === 'string' ? printable(name) : '-'
}

/** The same of a process that may have started no program: then it is its parent's fork. */
export function commandOrFork(entry: EventEntry): string {
  const { type, argv, name, parentName, durationNs = null } = entry
  const isFork = type === 'fork' || (type === 'exit' && durationNs === null && argv === null)
  return isFork && (name === null || name === parentName) ? forkOf(parentName) : commandOf(entry)
}

export function forkOf(parentName: string | null): string {
  return parentName === null ? '-' : `(a fork of ${printable(parentName)})`
}

/** Quotes show where an argument ends, as a shell takes them. */
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
