/** The report of `run` as one entry, and the entries that it stands for. */
import {
  type EndEntry,
  type Entry,
  type EventEntry,
  type LossEntry,
  type StartEntry,
} from './entry.js'
import type { ResourceUsage } from '../api/event-types.js'
import { toEntry } from './ndjson.js'

/** The report of a command and of all processes that it started. Its keys are those of `run --json`, and relied upon. */
export interface RunEntry {
  readonly type: 'run'
  readonly command: readonly string[]
  readonly exitCode: number | null
  readonly signal: string | null
  readonly failed: number
  readonly running: number
  readonly unlisted: number
  readonly lost: number
  readonly omittedExecs: number
  readonly omittedArguments: number
  readonly hidden: number
  readonly start: StartEntry | null
  readonly end: EndEntry | null
  readonly losses: readonly LossEntry[]
  readonly processes: readonly RunProcess[]
}

export interface RunProcess {
  readonly pid: number
  readonly ppid: number | null
  /** Ancestors in the report. */
  readonly depth: number
  readonly timestampNs: number
  /** Since the first process began. */
  readonly offsetNs: number
  readonly durationNs: number | null
  readonly running: boolean
  readonly exitCode: number | null
  readonly signal: string | null
  readonly coreDumped: boolean
  readonly uid: number | null
  readonly user: string | null
  readonly execs: readonly RunExec[]
  readonly omittedExecs: number
  /** True: timestampNs is the time of the fork. */
  readonly forked: boolean
  readonly parentName: string | null
  readonly startTime: number | null
  readonly usage: ResourceUsage | null
}

export interface RunExec {
  readonly timestampNs: number
  readonly name: string | null
  readonly exe: string | null
  readonly argv: readonly string[] | null
  readonly argvTruncated?: true
  readonly cwd: string | null
}

const COUNTS = ['lost', 'unlisted', 'hidden', 'omittedExecs', 'omittedArguments'] as const

/** Returns true for the report of `run`, of any version. */
export function isRun(value: unknown): value is RunEntry {
  return typeof value === 'object' && value !== null && (value as RunEntry).type === 'run'
}

/**
 * Yields the entries that a report stands for, in the order of their times. A key that an older version did not write is
 * unknown.
 *
 * @throws Error if a required key is missing or has another type.
 */
export function* entriesOfRun(run: RunEntry): Generator<Entry> {
  checkRun(run)
  const { start = null, end = null, losses = [], processes, lost = 0 } = run
  if (start !== null) yield checked(start)
  // A report may have many processes. Each entry exists only while it is read.
  const moments = [
    ...processes.flatMap(momentsOf),
    ...losses.map((loss) => ({ ns: loss.timestampNs, entry: () => loss })),
  ]
  // A fork comes before an exec of the same moment, and an exit after it, because the sort is stable.
  moments.sort((a, b) => a.ns - b.ns)
  for (const { entry } of moments) yield checked(entry(start))
  const unknown = lost - losses.reduce((sum, loss) => sum + loss.lost, 0)
  if (unknown > 0) {
    // An older version wrote no moments of losses.
    const rest = { cause: 'socket', lost: unknown, recoveredExecs: 0, recoveredExits: 0 } as const
    yield { type: 'loss', ...moment(moments.at(-1)?.ns ?? 0, start), ...rest }
  }
  if (end !== null) yield checked(end)
}

function checkRun(run: RunEntry): void {
  const { command, processes, losses = [] } = run
  if (!Array.isArray(command) || !command.every((word) => typeof word === 'string'))
    throw new Error('"command" is missing or not an array of strings')
  for (const key of COUNTS) if (!Number.isInteger(run[key] ?? 0)) throw new Error(`"${key}" is not an integer`)
  if (!Array.isArray(losses)) throw new Error('"losses" is not an array')
  if (!Array.isArray(processes)) throw new Error('"processes" is missing or not an array')
  for (const one of processes) if (!Array.isArray(one?.execs)) throw new Error('"execs" is missing or not an array')
}

interface Moment {
  readonly ns: number
  /** Returns the entry, which is not checked. */
  readonly entry: (start: StartEntry | null) => object
}

function momentsOf(process: RunProcess): Moment[] {
  const { timestampNs, durationNs, execs, forked = true } = process
  const moments = execs.map((exec): Moment => ({
    ns: exec.timestampNs,
    entry: (start) => execOf(process, exec, start),
  }))
  if (forked) moments.unshift({ ns: timestampNs, entry: (start) => forkOf(process, start) })
  if (durationNs !== null) moments.push({ ns: timestampNs + durationNs, entry: (start) => exitOf(process, start) })
  return moments
}

function forkOf(process: RunProcess, start: StartEntry | null): object {
  const { parentName = null, timestampNs } = process
  return { type: 'fork', ...identityOf(process), ...moment(timestampNs, start), name: parentName }
}

function execOf(process: RunProcess, exec: RunExec, start: StartEntry | null): object {
  const { uid, user } = process
  return { type: 'exec', uid, user, ...identityOf(process), ...moment(exec.timestampNs, start), ...exec }
}

function exitOf(process: RunProcess, start: StartEntry | null): object {
  const { timestampNs, durationNs, exitCode, signal, coreDumped, uid, user, usage = null, parentName = null } = process
  const { exe = null, argv = null, cwd = null, name = parentName } = process.execs.at(-1) ?? {}
  const known = { name, exe, argv, cwd, uid, user }
  const durationSince = (process.forked ?? true) ? 'start' : 'exec'
  const how = { exitCode, signal, coreDumped, durationNs, durationSince, usage }
  return { type: 'exit', ...identityOf(process), ...moment(timestampNs + durationNs!, start), ...known, ...how }
}

function identityOf({ pid, ppid, parentName = null, startTime = null }: RunProcess): object {
  return { pid, ppid, parentName, startTime }
}

/** The time of day is that of the clock at the start. */
function moment(timestampNs: number, start: StartEntry | null): Pick<EventEntry, 'time' | 'timestampNs'> {
  const startMs = start === null ? 0 : Date.parse(start.time) - start.timestampNs / 1e6
  return { timestampNs, time: new Date(startMs + timestampNs / 1e6).toISOString() }
}

function checked(value: unknown): Entry {
  const entry = toEntry(value)
  if (entry === null) throw new Error('an entry has no known type')
  return entry
}
