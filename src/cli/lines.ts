/** An event as a line of text, in columns that fit a terminal of 80. */
import { styleText } from 'node:util'
import type { ExecEvent, ExitEvent } from '../event-types.js'

export interface Layout {
  /** Where a line is cut; Infinity where it does not end up on a terminal. */
  readonly columns: number
  readonly colors: boolean
}

/** Of everything before the name. No signal's name and duration fill the two columns that they share. */
const WIDTH = { time: 12, event: 5, pid: 7, statusAndDuration: 19 }
const GAP = '  '
const EVENT_AT = WIDTH.time + GAP.length

export function headerLine(layout: Layout): string {
  const line = fit(row('TIME', 'EVENT', 'PID', 'PPID', 'STATUS', 'DURATION', 'NAME'), layout.columns)
  return layout.colors ? paint('bold', line) : line
}

/** `time` is the event's. What is unknown is `-`; what an exec does not have is empty. */
export function eventLine(event: ExecEvent | ExitEvent, time: Date, layout: Layout): string {
  const { type, pid, process } = event
  const name = printable(process.name ?? '-')
  const [ppid, status, duration] =
    type === 'exec' ? [process.ppid, '', ''] : [event.ppid, statusOf(event), formatDuration(event.durationNs)]
  const line = fit(row(formatTime(time), type, `${pid}`, `${ppid ?? '-'}`, status, duration, name), layout.columns)
  return layout.colors ? colored(event, line) : line
}

/** Ended by a signal, or with another exit code than 0; where neither is known, it did not. */
export function isFailed(event: ExitEvent): boolean {
  return event.signal !== null || (event.exitCode ?? 0) !== 0
}

/** Local, to the millisecond. */
export function formatTime(time: Date): string {
  const [h, m, s] = [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => twoDigits(n))
  return `${h}:${m}:${s}.${String(time.getMilliseconds()).padStart(3, '0')}`
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

function row(
  time: string,
  event: string,
  pid: string,
  ppid: string,
  status: string,
  duration: string,
  name: string,
): string {
  return [
    time.padEnd(WIDTH.time),
    event.padEnd(WIDTH.event),
    pid.padStart(WIDTH.pid),
    ppid.padStart(WIDTH.pid),
    status + duration.padStart(WIDTH.statusAndDuration - status.length),
    name,
  ].join(GAP)
}

function statusOf({ signal, exitCode }: ExitEvent): string {
  return signal ?? `${exitCode ?? '-'}`
}

function colored(event: ExecEvent | ExitEvent, line: string): string {
  if (event.type === 'exit' && isFailed(event)) return paint('red', line)
  const end = EVENT_AT + event.type.length
  const word = paint(event.type === 'exec' ? 'green' : 'blue', line.slice(EVENT_AT, end))
  return line.slice(0, EVENT_AT) + word + line.slice(end)
}

/** Whether there are to be colours is decided elsewhere, for the stream that the text goes to. */
function paint(color: 'bold' | 'red' | 'green' | 'blue', text: string): string {
  return styleText(color, text, { validateStream: false })
}

/** A name is whatever its owner likes: one that could steer the terminal, or end the line, is spelt out. */
function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16)
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`
  })
}

/** Cuts a line so that it does not wrap. */
function fit(line: string, columns: number): string {
  if (line.length * 2 <= columns) return line
  let used = 0
  let kept = ''
  for (const character of line) {
    // Some characters take two columns, and nothing in Node.js tells which: better cut too early than too late.
    const width = character.codePointAt(0)! < 0x300 ? 1 : 2
    if ((used += width) > columns) return `${[...kept].slice(0, -1).join('')}…`
    kept += character
  }
  return kept
}

function twoDigits(n: number): string {
  return String(n).padStart(2, '0')
}
