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
  return safe(JSON.stringify(entry))
}

function safe(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
}

/** Texts that are remembered with their JSON, and the most characters of one. */
const TEXTS_MAX = 4096
const TEXT_MAX = 1024

/** Keys that are remembered. */
const KEYS_MAX = 128

/** A part that lines have in common: a key, and `,"key":value` for its values that come again and again. */
interface Key {
  readonly prefix: string
  readonly nothing: string
  readonly texts: Map<string, string>
  readonly lists: WeakMap<readonly unknown[], string>
  /** True if the texts are new in each entry. */
  readonly isUnique: boolean
}

const keys = new Map<string, Key>()
let textCount = 0

/**
 * Returns the line of an entry, which is that of {@link jsonLine}, in a fraction of the time: entries have the same keys, names,
 * paths and arguments again and again.
 */
export function entryLine(entry: Entry): string {
  return `${members(entry)}}`
}

/** Returns the object without its end. */
function members(object: object): string {
  let text = ''
  for (const name in object) {
    const value: unknown = object[name as never]
    if (value === undefined) continue
    const member = memberOf(keys.get(name) ?? newKey(name), value)
    text = text === '' ? `{${member.slice(1)}` : text + member
  }
  return text === '' ? '{' : text
}

function memberOf(key: Key, value: unknown): string {
  switch (typeof value) {
    case 'string':
      return key.isUnique ? `${key.prefix}${quoted(value)}` : textMember(key, value)
    case 'number':
      return key.prefix + (Number.isFinite(value) ? value : 'null')
    case 'object':
      if (value === null) return key.nothing
      return Array.isArray(value) ? listMember(key, value) : `${key.prefix}${members(value)}}`
    default:
      return key.prefix + String(value)
  }
}

function textMember(key: Key, value: string): string {
  const before = key.texts.get(value)
  if (before !== undefined) return before
  const member = `${key.prefix}${quoted(value)}`
  if (value.length > TEXT_MAX) return member
  if (++textCount > TEXTS_MAX) {
    textCount = 1
    for (const { texts } of keys.values()) texts.clear()
  }
  key.texts.set(value, member)
  return member
}

function listMember(key: Key, value: readonly unknown[]): string {
  const before = key.lists.get(value)
  if (before !== undefined) return before
  const member = key.prefix + jsonLine(value)
  // Events share lists, which then do not change.
  if (Object.isFrozen(value)) key.lists.set(value, member)
  return member
}

function newKey(name: string): Key {
  const prefix = `,${safe(JSON.stringify(name))}:`
  const isUnique = name === 'time' || name === 'timeNs'
  const key = { prefix, nothing: `${prefix}null`, texts: new Map(), lists: new WeakMap(), isUnique }
  // A recording of another program may have any keys.
  if (keys.size < KEYS_MAX) keys.set(name, key)
  return key
}

function quoted(text: string): string {
  return /^[ !#-[\]-~]*$/.test(text) ? `"${text}"` : safe(JSON.stringify(text))
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
const START_TEXTS = ['version', 'host', 'hostId', 'bootId', 'clock', 'source', 'watching'] as const
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
