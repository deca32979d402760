/** The entries of a recording: events, losses and notes, as flat objects with all known details, between a start and an end. */
import type { EventType, ProcessEvent, ResourceUsage } from '../api/event-types.js'
import type { LossReport } from '../api/monitor-types.js'
import { isoTime, timeNsOf } from './wall-clock.js'

/**
 * An event. The keys, their order and their units are those of --json and relied upon: they are added to, never changed.
 * What is unknown is null; what only other events have is absent.
 */
export interface EventEntry {
  readonly type: EventType
  /** ISO 8601. */
  readonly time: string
  readonly timestampNs: number
  readonly pid: number
  readonly ppid: number | null
  readonly name: string | null
  readonly origin: ProcessEvent['origin']
  readonly exitCode?: number | null
  readonly signal?: string | null
  readonly coreDumped?: boolean
  readonly durationNs?: number | null
  readonly durationSince?: 'exec' | 'start' | null
  readonly usage?: ResourceUsage | null
  readonly tid?: number
  /** The new name in a comm event, the present one in other events. */
  readonly comm: string | null
  readonly ruid?: number
  readonly euid?: number
  readonly rgid?: number
  readonly egid?: number
  readonly tracerPid?: number | null
  readonly parentName: string | null
  readonly uid: number | null
  readonly user: string | null
  readonly exe: string | null
  readonly argv: readonly string[] | null
  readonly argvTruncated?: true
  readonly cgroup: string | null
  readonly containerId: string | null
  readonly cwd: string | null
  readonly gid: number | null
  readonly loginUid: number | null
  /** Clock ticks since boot. */
  readonly startTime: number | null
  readonly timeNs: string | null
  readonly stream?: string
  readonly seq?: number
}

/** The moment of an entry, and its place in a stream. */
interface Placed {
  /** ISO 8601. */
  readonly time: string
  readonly timestampNs: number
  /** The time of day in nanoseconds since the Unix epoch. A text, because a number of JavaScript has too few digits. */
  readonly timeNs?: string | null
  /** The id of the stream that the line belongs to. Only lines of --json have it. */
  readonly stream?: string
  /** The place in that stream, from 0 on. */
  readonly seq?: number
}

/** Events that were lost, here. `output`: lines that the reader of the output was too slow for. */
export interface LossEntry extends Placed {
  readonly type: 'loss'
  readonly cause: LossReport['cause'] | 'output'
  readonly lost: number
  readonly recoveredExecs: number
  readonly recoveredExits: number
}

/** Something else about the monitoring: it polls, it was taken up again, costs are unknown. */
export interface NoteEntry extends Placed {
  readonly type: 'note'
  readonly note: 'polling' | 'restart' | 'usage'
  /** The code of the error that caused it. */
  readonly code: string | null
  readonly message: string
}

/** The first entry of a recording: where, when and how it was made. */
export interface StartEntry extends Placed {
  readonly type: 'start'
  /** The version of this package. */
  readonly version: string
  /** The name of the machine. */
  readonly host: string | null
  /** The kernel's random id of this boot. timestampNs of recordings with one boot id can be compared. */
  readonly bootId: string | null
  /** The clock of timestampNs. */
  readonly clock: 'CLOCK_MONOTONIC'
  readonly source: 'netlink' | 'polling' | null
  /** How processes were noticed without the connector at the start. */
  readonly watching?: 'perf' | 'cursor' | 'snapshot' | null
  /** The id of this machine for this package, which does not reveal the machine id. */
  readonly hostId?: string | null
  /** The types of the recorded events. */
  readonly events?: readonly EventType[]
  /** One process of so many is recorded. */
  readonly sample?: number
}

/** The last entry of a recording that was not cut off. */
export interface EndEntry extends Placed {
  readonly type: 'end'
  /** The events that were lost since the start. */
  readonly lost: number
  /** The lines that were skipped since the start. */
  readonly lostOutput?: number
}

/** A sign of life, with the figures of the monitor and of its process. Those that count do so since the start. */
export interface HeartbeatEntry extends Placed, Readonly<Record<HeartbeatFigure, number>> {
  readonly type: 'heartbeat'
}

/** The keys of a heartbeat, in their order. Those of `MonitorStats` mean the same there. */
export const HEARTBEAT_FIGURES = [
  'events',
  'exec',
  'exit',
  'lostSocket',
  'lostQueue',
  'lostOutput',
  'resync',
  'restart',
  'captureTimeouts',
  'detailsDropped',
  'unseen',
  'exitsWithoutStatus',
  'usageLost',
  'queueDepth',
  'heldBytes',
  'trackedProcesses',
  'cpuNs',
  'rssBytes',
] as const

export type HeartbeatFigure = (typeof HEARTBEAT_FIGURES)[number]

export type Entry = EventEntry | LossEntry | NoteEntry | HeartbeatEntry | StartEntry | EndEntry

export function isEvent(entry: Entry): entry is EventEntry {
  return !isRemark(entry) && entry.type !== 'heartbeat' && entry.type !== 'start' && entry.type !== 'end'
}

/** Returns true for what every view shows in its place besides events. */
export function isRemark(entry: Entry): entry is LossEntry | NoteEntry {
  return entry.type === 'loss' || entry.type === 'note'
}

/** The details of an entry that the event lacks. */
export interface EntryContext {
  /** The name of a process that has not called exec since its fork. */
  readonly inheritedName: string | null
  readonly ppid: number | null
  readonly parentName: string | null
  readonly user: string | null
  readonly showsArguments: boolean
  /** Returns the arguments as they are shown. */
  readonly redact?: (argv: readonly string[]) => readonly string[]
  /** The time of day in nanoseconds. Absent: that of the event alone. */
  readonly timeNs?: string
}

export function eventEntry(event: ProcessEvent, context: EntryContext): EventEntry {
  const { type, pid, timestampNs, timeMs, origin, process } = event
  const { argv = null } = process
  const { ppid, inheritedName, showsArguments, redact } = context
  const name = process.name ?? (type === 'exec' ? null : inheritedName)
  // Keys are added one after the other, because spreading objects takes several times as long.
  const entry: Writable<Partial<EventEntry>> = { type, time: isoTime(timeMs), timestampNs, pid, ppid, name, origin }
  addSpecific(entry, event)
  entry.parentName = context.parentName
  entry.uid = process.uid ?? null
  entry.user = context.user
  entry.exe = process.exe ?? null
  entry.argv = showsArguments ? (redact === undefined || argv === null ? argv : redact(argv)) : null
  if (showsArguments && process.argvTruncated) entry.argvTruncated = true
  entry.cgroup = process.cgroup ?? null
  entry.containerId = process.containerId ?? null
  entry.comm = event.type === 'comm' ? event.comm : (process.comm ?? null)
  entry.cwd = process.cwd ?? null
  entry.gid = process.gid ?? null
  entry.loginUid = process.loginUid ?? null
  entry.startTime = process.startTime ?? null
  entry.timeNs = context.timeNs ?? timeNsOf(timeMs, timestampNs)
  return entry as EventEntry
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** An event that tells its parent knows better than what was captured at the exec. */
export function parentOf(event: ProcessEvent): number | null {
  return ('ppid' in event ? event.ppid : event.process.ppid) ?? null
}

/** Adds what only events of this type have, in the order of the keys. */
function addSpecific(entry: Writable<Partial<EventEntry>>, event: ProcessEvent): void {
  switch (event.type) {
    case 'exit':
      entry.exitCode = event.exitCode
      entry.signal = event.signal
      entry.coreDumped = event.coreDumped
      entry.durationNs = event.durationNs
      entry.durationSince = event.durationSince
      if (event.usage !== undefined) entry.usage = event.usage
      return
    case 'comm':
      entry.tid = event.tid
      entry.comm = event.comm
      return
    case 'uid':
      entry.ruid = event.ruid
      entry.euid = event.euid
      return
    case 'gid':
      entry.rgid = event.rgid
      entry.egid = event.egid
      return
    case 'ptrace':
      entry.tracerPid = event.tracerPid
      return
    default:
  }
}
