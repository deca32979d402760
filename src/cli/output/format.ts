/** Times, durations and losses in words. */
import type { LossEntry } from '../../recording/entry.js'

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

/** Formats a size with three digits at most and a binary unit: 7 characters at most. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return '-'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1) * 1.0005) / 10), units.length - 1)
  const value = bytes / 1024 ** power
  return `${value.toFixed(power > 0 && value < 99.95 ? 1 : 0)}${units[power]}`
}

export function plural(count: number, word: string, words: string = `${word}s`): string {
  return `${count} ${count === 1 ? word : words}`
}

/** Returns `a, b and c`. */
export function inWords(items: readonly string[], conjunction: 'and' | 'or'): string {
  return [items.slice(0, -1).join(', '), ...items.slice(-1)].filter(Boolean).join(` ${conjunction} `)
}

export function isShort({ durationNs }: { readonly durationNs?: number | null }): boolean {
  return (durationNs ?? Infinity) < SHORT_NS
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
