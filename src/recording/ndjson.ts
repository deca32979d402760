/** Converts entries to lines of JSON, and back. */
import { PID_MAX_LIMIT } from '../native/binding.js'
import { EVENT_TYPES } from '../native/record.js'
import {
  type EndEntry,
  type Entry,
  type EventEntry,
  HEARTBEAT_FIGURES,
  type HeartbeatEntry,
  type LossEntry,
  type NoteEntry,
  type StartEntry,
  isEvent,
} from './entry.js'

/**
 * Returns JSON in one line that is safe for a terminal. Characters that could control the terminal or reorder the line are
 * written as Unicode escapes, which mean the same. JSON.stringify does so for C0 controls and lone surrogates only.
 */
export function jsonLine(entry: object): string {
  const text = JSON.stringify(entry)
  if (/^[\x20-\x7e]*$/.test(text)) return text
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

/** Each half of a surrogate pair on its own. */
function escaped(character: string): string {
  let text = ''
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return text
}

/**
 * Returns the entry of a line; null for another object, such as a summary. A key that an older version did not write is
 * null.
 *
 * @throws Error if the line is not JSON, or lacks a required key.
 */
export function readEntry(line: string): Entry | null {
  return toEntry(JSON.parse(line))
}

/**
 * Returns the entry of a parsed line, as `readEntry` does.
 *
 * @throws Error if a required key is missing or has another type.
 */
export function toEntry(value: unknown): Entry | null {
  if (typeof value !== 'object' || value === null) throw new Error('expected a JSON object')
  const { type, time, timestampNs } = value as Partial<Entry>
  if (!(TYPES as readonly unknown[]).includes(type)) return null
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) throw new Error('"time" is missing or not a date')
  if (!Number.isFinite(timestampNs)) throw new Error('"timestampNs" is missing or not a number')
  const entry = value as Entry
  if (typeof (entry.timeNs ?? '') !== 'string') throw new Error('"timeNs" is not a string')
  if (isEvent(entry)) return complete(entry)
  checkRemark(entry)
  return entry
}

const TYPES = [...EVENT_TYPES, 'loss', 'note', 'heartbeat', 'start', 'end'] as const

const ABSENT = {
  ppid: null,
  name: null,
  origin: 'kernel',
  parentName: null,
  uid: null,
  user: null,
  exe: null,
  argv: null,
  cgroup: null,
  containerId: null,
  comm: null,
  cwd: null,
  gid: null,
  loginUid: null,
  startTime: null,
  timeNs: null,
} as const

const TEXTS = [
  'name',
  'parentName',
  'user',
  'exe',
  'cgroup',
  'containerId',
  'signal',
  'comm',
  'cwd',
  'durationSince',
] as const
const OWN_NUMBERS = ['tid', 'ruid', 'euid', 'rgid', 'egid', 'tracerPid'] as const
const NUMBERS = ['ppid', 'uid', 'gid', 'loginUid', 'startTime', 'exitCode', 'durationNs', ...OWN_NUMBERS] as const
const START_TEXTS = ['version', 'host', 'hostId', 'bootId', 'clock', 'source'] as const
const COUNTS = ['lost', 'recoveredExecs', 'recoveredExits'] as const

/** Checks the types, because the file may have been written by hand or by another program. */
function complete(given: EventEntry): EventEntry {
  const entry = { ...given }
  for (const [key, value] of Object.entries(ABSENT)) if (!(key in given)) Object.assign(entry, { [key]: value })
  // The number of pids bounds the memory that is kept for each.
  if (!Number.isInteger(entry.pid) || entry.pid < 0 || entry.pid > PID_MAX_LIMIT)
    throw new Error('"pid" is missing or not a process id')
  for (const key of TEXTS) {
    if (typeof (entry[key] ?? '') !== 'string') throw new Error(`"${key}" is not a string`)
  }
  for (const key of NUMBERS) {
    if (typeof (entry[key] ?? 0) !== 'number') throw new Error(`"${key}" is not a number`)
  }
  const { argv, usage } = entry
  if (usage !== undefined && usage !== null && !isUsage(usage)) throw new Error('"usage" is not an object of numbers')
  const isList = argv === null || (Array.isArray(argv) && argv.every((argument) => typeof argument === 'string'))
  if (!isList) throw new Error('"argv" is not an array of strings')
  return entry
}

function isUsage(usage: object): boolean {
  return typeof usage === 'object' && Object.values(usage).every((value) => typeof (value ?? 0) === 'number')
}

/** Checks the fields of other entries than events. */
function checkRemark(remark: LossEntry | NoteEntry | HeartbeatEntry | StartEntry | EndEntry): void {
  if (remark.type === 'start') {
    for (const key of START_TEXTS) {
      if (typeof (remark[key] ?? '') !== 'string') throw new Error(`"${key}" is not a string`)
    }
    return
  }
  if (remark.type === 'end') {
    if (!Number.isInteger(remark.lost)) throw new Error('"lost" is missing or not an integer')
    return
  }
  if (remark.type === 'heartbeat') {
    for (const key of HEARTBEAT_FIGURES)
      if (!Number.isFinite(remark[key] ?? 0)) throw new Error(`"${key}" is not a number`)
    return
  }
  if (remark.type === 'note') {
    if (typeof remark.message !== 'string') throw new Error('"message" is missing')
    return
  }
  for (const key of COUNTS) if (!Number.isInteger(remark[key])) throw new Error(`"${key}" is missing or not an integer`)
}
