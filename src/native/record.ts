/** Decodes native records: the layout of their words, and the public events built from them. */
import { isUtf8 } from 'node:buffer'
import { constants } from 'node:os'
import { type ProcessMonitorError, fromNative } from '../api/errors.js'
import type {
  EventType,
  ExitEvent,
  ProcessEvent,
  ProcessField,
  ProcessInfo,
  ResourceUsage,
} from '../api/event-types.js'
import type { LossReport } from '../api/monitor-types.js'
import { containerIdOf } from './container-id.js'
import { TextCache } from './text-cache.js'

/** The types of event. The index is the record's kind and the bit in the mask of types. */
export const EVENT_TYPES: readonly EventType[] = [
  'fork',
  'exec',
  'exit',
  'comm',
  'uid',
  'gid',
  'sid',
  'ptrace',
  'coredump',
]

/** The details of a process. The index is the bit in the mask of fields. */
export const PROCESS_FIELDS: readonly ProcessField[] = [
  'name',
  'ppid',
  'exe',
  'argv',
  'cwd',
  'uid',
  'gid',
  'cgroup',
  'startTime',
  'comm',
  'loginUid',
  'usage',
]

/** The kinds of record that concern the source, not a process. */
export const CONTROL: {
  readonly OPENED: 32
  readonly SCAN_FINISHED: 33
  readonly LOSS: 34
  readonly RESTART: 35
  readonly FAILED: 36
  readonly CLOSED: 37
  readonly FELL_BACK: 38
  readonly WATCH_RESULT: 39
  readonly FLUSHED: 40
} = {
  OPENED: 32,
  SCAN_FINISHED: 33,
  LOSS: 34,
  RESTART: 35,
  FAILED: 36,
  CLOSED: 37,
  FELL_BACK: 38,
  WATCH_RESULT: 39,
  FLUSHED: 40,
}

/** The id of the bootstrap scan, which is the first. */
export const FIRST_SCAN = 1

const HAS_PROCESS = 1
const EXITED = 2
const SIGNALED = 4
const CORE_DUMPED = 8
const HAS_DURATION = 16
const ARGV_TRUNCATED = 32
const HAS_ANCESTRY_TAGS = 64
const SINCE_START = 128
const HAS_USAGE = 256
const FLAGS_SHIFT = 16

/** The words of a record ahead of its captured fields. */
const RECORD_HEAD_WORDS = 10
/** The index of the first record in a buffer. */
const FIRST_RECORD = 3
/** The index in a buffer of the nanoseconds to add to the records' times, to get nanoseconds since the Unix epoch. */
const TIME_OFFSET = 1
// Exported apart, because CommonJS reads an `export const` through `exports` each time.
export { FIRST_RECORD, RECORD_HEAD_WORDS }
const HIGH = 2 ** 32

const ORIGINS = ['kernel', 'bootstrap', 'resync', 'polling'] as const
const [NAME, PPID, EXE, ARGV, CWD, UID, GID, CGROUP, START_TIME] = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const
const [COMM, LOGIN_UID, USAGE] = [512, 1024, 2048] as const
const TEXTS = NAME | EXE | ARGV | CWD | CGROUP | COMM

const NO_ANCESTRY_TAGS = new Uint32Array(0)

/** The details of a process without captured ones. Frozen, because events share it. */
const NO_PROCESS: ProcessInfo = Object.freeze({})

/** The memory that the binding copies records to, as words and as bytes. */
export class RecordBuffer {
  readonly words: Uint32Array
  readonly bytes: Buffer

  constructor(length: number) {
    this.words = new Uint32Array(length)
    this.bytes = Buffer.from(this.words.buffer)
  }
}

/** Returns true if a record carries details of its process. Only then can a filter match. */
export function hasProcess(words: Uint32Array, at: number): boolean {
  return ((words[at]! >>> FLAGS_SHIFT) & HAS_PROCESS) !== 0
}

/** Returns the origin of a record's event. */
export function originOf(words: Uint32Array, at: number): (typeof ORIGINS)[number] {
  return ORIGINS[(words[at]! >>> 8) & 0xff] ?? 'kernel'
}

/** Returns the ancestry tags of a record, one for each ancestor of its process. Their count is the record's last word. */
export function readAncestryTags(words: Uint32Array, at: number): Uint32Array {
  if (((words[at]! >>> FLAGS_SHIFT) & HAS_ANCESTRY_TAGS) === 0) return NO_ANCESTRY_TAGS
  const last = at + words[at + 1]! - 1
  return words.subarray(last - words[last]!, last)
}

/** The words of a cost: the mask of the known numbers, then two words for each of nine numbers. */
const USAGE_WORDS = 1 + 2 * 9

/** Returns the cost of an exit. It is ahead of the ancestry tags. null: it is unknown. */
function readUsage(words: Uint32Array, at: number): ResourceUsage | null {
  const flags = words[at]! >>> FLAGS_SHIFT
  if ((flags & HAS_USAGE) === 0) return null
  const end = at + words[at + 1]!
  const start = (flags & HAS_ANCESTRY_TAGS ? end - 1 - words[end - 1]! : end) - USAGE_WORDS
  const number = (place: number): number | null =>
    words[start]! & (1 << place) ? u64(words, start + 1 + 2 * place) : null
  return {
    cpuNs: u64(words, start + 1),
    maxRssBytes: number(1),
    readBytes: number(2),
    writeBytes: number(3),
    minorFaults: number(4),
    majorFaults: number(5),
    voluntarySwitches: number(6),
    involuntarySwitches: number(7),
    cpuDelayNs: number(8),
  }
}

/** Returns the index of a detail's value in the record at `at`. 0: it was not read. */
function fieldIndex(words: Uint32Array, at: number, field: number): number {
  const read = hasProcess(words, at) ? words[at + RECORD_HEAD_WORDS + 1]! : 0
  if ((read & field) === 0) return 0
  let place = at + RECORD_HEAD_WORDS + 2
  for (let bit = 1; bit < field; bit <<= 1) {
    if (read & bit) place += bit & TEXTS ? textWords(words, place) : bit === START_TIME ? 2 : 1
  }
  return place
}

/** Decodes one detail of the process. The arguments are separated by NUL. null: it was not read. */
export function readText(
  buffer: RecordBuffer,
  at: number,
  field: 'name' | 'comm' | 'exe' | 'argv' | 'cwd' | 'cgroup',
): string | null {
  const place = fieldIndex(buffer.words, at, 1 << PROCESS_FIELDS.indexOf(field))
  return place === 0 ? null : text(buffer, place)
}

/** Decodes the arguments, separated by NUL. null: they were not read, or none of them was kept. */
export function readArguments(buffer: RecordBuffer, at: number): string | null {
  const joined = readText(buffer, at, 'argv')
  return joined === '' && (buffer.words[at]! >>> FLAGS_SHIFT) & ARGV_TRUNCATED ? null : joined
}

/** Returns the real user id of the process. null: it was not read. */
export function readUid(words: Uint32Array, at: number): number | null {
  const place = fieldIndex(words, at, UID)
  return place === 0 ? null : words[place]!
}

/**
 * Decodes all captured details of the process of the record at `at`. `requested`: the mask of the fields that are null if the
 * record does not have them. `name`: the name, if it has been decoded before.
 */
export function readProcess(buffer: RecordBuffer, at: number, requested = 0, name: string | null = null): ProcessInfo {
  const { words } = buffer
  const isSeen = hasProcess(words, at)
  const captureMask = (requested & ~USAGE) | (isSeen ? words[at + RECORD_HEAD_WORDS]! : 0)
  if (captureMask === 0) return NO_PROCESS
  const read = isSeen ? words[at + RECORD_HEAD_WORDS + 1]! : 0
  const info: { -readonly [K in keyof ProcessInfo]: ProcessInfo[K] } = {}
  // Set fields in the order of the bits, so that equal masks give objects of one hidden class.
  let next = at + RECORD_HEAD_WORDS + 2
  if (captureMask & NAME) {
    info.name = read & NAME ? (name ?? text(buffer, next)) : null
    if (read & NAME) next += textWords(words, next)
  }
  if (captureMask & PPID) info.ppid = read & PPID ? words[next++]! : null
  if (captureMask & EXE) {
    info.exe = read & EXE ? text(buffer, next) : null
    if (read & EXE) next += textWords(words, next)
  }
  if (captureMask & ARGV) {
    info.argv = read & ARGV ? texts.list(buffer, next) : null
    if (read & ARGV) next += textWords(words, next)
    if ((words[at]! >>> FLAGS_SHIFT) & ARGV_TRUNCATED) info.argvTruncated = true
  }
  if (captureMask & CWD) {
    info.cwd = read & CWD ? text(buffer, next) : null
    if (read & CWD) next += textWords(words, next)
  }
  if (captureMask & UID) info.uid = read & UID ? words[next++]! : null
  if (captureMask & GID) info.gid = read & GID ? words[next++]! : null
  if (captureMask & CGROUP) {
    info.cgroup = read & CGROUP ? text(buffer, next) : null
    info.containerId = info.cgroup === null ? null : containerIdOf(info.cgroup)
    if (read & CGROUP) next += textWords(words, next)
  }
  if (captureMask & START_TIME) {
    info.startTime = read & START_TIME ? u64(words, next) : null
    if (read & START_TIME) next += 2
  }
  if (captureMask & COMM) {
    info.comm = read & COMM ? text(buffer, next) : null
    if (read & COMM) next += textWords(words, next)
  }
  if (captureMask & LOGIN_UID) info.loginUid = read & LOGIN_UID ? words[next]! : null
  return info
}

/**
 * The public event of the record at `at`, whose details have been read already. One hidden class per type, and another one for
 * exits with a cost. `requested`: the mask of the fields to capture now.
 */
export function readEvent(buffer: RecordBuffer, at: number, process: ProcessInfo, requested = 0): ProcessEvent {
  const { words } = buffer
  const head = words[at]!
  const pid = words[at + 2]!
  const timestampNs = u64(words, at + 3)
  const timeMs = timeOf(words, timestampNs)
  const origin = originOf(words, at)
  switch (EVENT_TYPES[head & 0xff]!) {
    case 'fork':
      return { type: 'fork', pid, timestampNs, timeMs, origin, process, ppid: words[at + 5]! }
    case 'exec':
      return { type: 'exec', pid, timestampNs, timeMs, origin, process }
    case 'exit': {
      const { exitCode, signal, coreDumped } = readStatus(words, at, at + 5)
      const durationNs = (head >>> FLAGS_SHIFT) & HAS_DURATION ? u64(words, at + 8) : null
      const ppid = words[at + 7]! || null
      const durationSince = durationNs === null ? null : (head >>> FLAGS_SHIFT) & SINCE_START ? 'start' : 'exec'
      const event: ExitEvent = {
        type: 'exit',
        pid,
        timestampNs,
        timeMs,
        origin,
        process,
        exitCode,
        signal,
        coreDumped,
        ppid,
        durationNs,
        durationSince,
      }
      if (requested & USAGE) (event as { usage: ResourceUsage | null }).usage = readUsage(words, at)
      return event
    }
    case 'comm': {
      const comm = commOf(buffer.bytes.subarray((at + 6) * 4, (at + 10) * 4))
      return { type: 'comm', pid, timestampNs, timeMs, origin, process, tid: words[at + 5]!, comm }
    }
    case 'uid':
      return { type: 'uid', pid, timestampNs, timeMs, origin, process, ruid: words[at + 5]!, euid: words[at + 6]! }
    case 'gid':
      return { type: 'gid', pid, timestampNs, timeMs, origin, process, rgid: words[at + 5]!, egid: words[at + 6]! }
    case 'sid':
      return { type: 'sid', pid, timestampNs, timeMs, origin, process }
    case 'ptrace':
      return { type: 'ptrace', pid, timestampNs, timeMs, origin, process, tracerPid: words[at + 5]! || null }
    case 'coredump':
      return { type: 'coredump', pid, timestampNs, timeMs, origin, process, ppid: words[at + 5]! || null }
  }
}

/** Decodes the exit in a `WATCH_RESULT` record, of a process that exited before it was watched. */
export function readPastExit(words: Uint32Array, at: number): ExitEvent {
  const [pid, timestampNs] = [words[at + 2]!, u64(words, at + 3)]
  const { exitCode, signal, coreDumped } = readStatus(words, at, at + 7)
  return {
    type: 'exit',
    pid,
    timestampNs,
    timeMs: timeOf(words, timestampNs),
    origin: 'resync',
    process: NO_PROCESS,
    exitCode,
    signal,
    coreDumped,
    ppid: null,
    durationNs: null,
    durationSince: null,
  }
}

/** Decodes an exit status. The flags are in the record at `at`, the code and the signal at `from`. */
function readStatus(
  words: Uint32Array,
  at: number,
  from: number,
): Pick<ExitEvent, 'exitCode' | 'signal' | 'coreDumped'> {
  const flags = words[at]! >>> FLAGS_SHIFT
  const exitCode = flags & EXITED ? words[from]! : null
  const signal = flags & SIGNALED ? toSignalName(words[from + 1]!) : null
  return { exitCode, signal, coreDumped: (flags & CORE_DUMPED) !== 0 }
}

/** Decodes a `LOSS` record. */
export function readLoss(words: Uint32Array, at: number): LossReport {
  const cause = words[at + 5] === 0 ? 'socket' : 'queue'
  return { cause, lost: words[at + 6]!, recoveredExecs: words[at + 7]!, recoveredExits: words[at + 8]! }
}

/** Returns the error of a `RESTART`, `FAILED` or `FELL_BACK` record. Its text is `syscall\0context`, as record.rs writes it. */
export function readFailure(buffer: RecordBuffer, at: number): ProcessMonitorError {
  const { words } = buffer
  const isRestart = (words[at]! & 0xff) === CONTROL.RESTART
  const hint = isRestart ? 'The source was reopened, and missed events are repaired from /proc.' : undefined
  // A text has the same flag as process details.
  const [syscall, context = ''] = hasProcess(words, at) ? text(buffer, at + RECORD_HEAD_WORDS).split('\0') : []
  return fromNative({ code: words[at + 5]!, errno: words[at + 6]!, syscall, context }, hint)
}

/** Returns the time of day, in milliseconds since the Unix epoch with a fraction of three digits. */
function timeOf(words: Uint32Array, timestampNs: number): number {
  return Math.round((u64(words, TIME_OFFSET) + timestampNs) / 1000) / 1000
}

/** Returns the text of a comm that is padded with NUL. As in the other texts, a byte that is not UTF-8 is written `\\xNN`. */
function commOf(padded: Buffer): string {
  const end = padded.indexOf(0)
  const bytes = padded.subarray(0, end === -1 ? undefined : end)
  return isUtf8(bytes) ? bytes.toString() : readable(bytes)
}

function readable(bytes: Buffer): string {
  let readableText = ''
  for (let at = 0; at < bytes.length;) {
    // The longest valid character has four bytes.
    const length = [1, 2, 3, 4].find((count) => isUtf8(bytes.subarray(at, at + count))) ?? 0
    readableText +=
      length > 0 ? bytes.toString('utf8', at, at + length) : `\\x${bytes[at]!.toString(16).padStart(2, '0')}`
    at += length || 1
  }
  return readableText
}

function u64(words: Uint32Array, at: number): number {
  return words[at + 1]! * HIGH + words[at]!
}

const texts = new TextCache(frozenArguments)

function text(buffer: RecordBuffer, at: number): string {
  return texts.text(buffer, at)
}

function textWords(words: Uint32Array, at: number): number {
  return 1 + ((words[at]! + 3) >>> 2)
}

/** Splits arguments. Freezes the array, because all callbacks share it. */
function frozenArguments(joined: string): readonly string[] {
  return Object.freeze(splitArguments(joined))
}

/** Splits arguments that each end with NUL. The empty string has no arguments. */
export function splitArguments(joined: string): string[] {
  const argv = joined.split('\0')
  if (joined === '' || joined.endsWith('\0')) argv.pop()
  return argv
}

/** The kernel's last real-time signal (SIGRTMAX), and the first one that the C library does not reserve. */
export const SIGRTMAX: number = 64
export const SIGRTMIN: number = 34

const SIGNAL_NAMES: readonly (string | undefined)[] = signalNames()

function signalNames(): string[] {
  const names: string[] = []
  // The first of two names for one number (SIGABRT, SIGIOT) is the one that `child_process` reports.
  for (const [name, number] of Object.entries(constants.signals)) names[number] ??= name
  for (let number = SIGRTMIN; number <= SIGRTMAX; number++) names[number] = `SIGRTMIN+${number - SIGRTMIN}`
  return names
}

/** Returns the name of a signal, or its number if it has none, because null means that no signal came. */
export function toSignalName(number: number): NodeJS.Signals {
  return (SIGNAL_NAMES[number] ?? `SIG${number}`) as NodeJS.Signals
}
