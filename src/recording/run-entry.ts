/** The report of `run` as one entry, and the entries that it stands for. */
import {
  type EndEntry,
  type Entry,
  type EventEntry,
  type LossEntry,
  type ResourceUsage,
  type StartEntry,
} from './entry.js'
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
 * Returns the entries that a report stands for, in the order of their times. A key that an older version did not write is
 * unknown.
 *
 * @throws Error if a required key is missing or has another type.
 */
export function entriesOfRun(run: RunEntry): Entry[] {
  const { start = null, end = null, losses = [], processes, lost } = run
  const { command } = run
  if (!Array.isArray(command) || !command.every((word) => typeof word === 'string'))
    throw new Error('"command" is missing or not an array of strings')
  for (const key of COUNTS) if (!Number.isInteger(run[key] ?? 0)) throw new Error(`"${key}" is not an integer`)
  if (!Array.isArray(processes)) throw new Error('"processes" is missing or not an array')
  if (!Array.isArray(losses)) throw new Error('"losses" is not an array')
  const entries = [...processes.flatMap((one) => entriesOfProcess(one, start)), ...losses.map((loss) => checked(loss))]
  // A fork comes before an exec of the same moment, and an exit after it, because the sort is stable.
  entries.sort((a, b) => a.timestampNs - b.timestampNs)
  const [first, last] = [entries[0]?.timestampNs ?? 0, entries.at(-1)?.timestampNs ?? 0]
  const known = losses.reduce((sum, loss) => sum + loss.lost, 0)
  // An older version wrote no moments.
  const unknown = Math.max(0, (lost ?? 0) - known)
  const rest = { cause: 'socket', lost: unknown, recoveredExecs: 0, recoveredExits: 0 } as const
  return [
    ...(start === null ? [] : [checked(start)]),
    ...entries,
    ...(unknown === 0 ? [] : [{ type: 'loss', ...moment(last, start), ...rest } as const]),
    ...(end === null ? [] : [checked({ ...end, timestampNs: Math.max(end.timestampNs, first) })]),
  ]
}

function entriesOfProcess(given: RunProcess, start: StartEntry | null): Entry[] {
  const { pid, ppid, timestampNs, durationNs, exitCode, signal, coreDumped, uid, user, execs, usage = null } = given
  if (!Array.isArray(execs)) throw new Error('"execs" is missing or not an array')
  const { forked = true, parentName = null, startTime = null } = given
  const own = { pid, ppid, parentName, startTime }
  const at = (ns: number) => ({ ...own, ...moment(ns, start) })
  const list: object[] = execs.map((exec: RunExec) => ({ type: 'exec', uid, user, ...at(exec.timestampNs), ...exec }))
  if (forked) list.unshift({ type: 'fork', ...at(timestampNs), name: parentName })
  if (durationNs !== null) {
    const endNs = timestampNs + durationNs
    const durationSince = forked ? 'start' : 'exec'
    const last = execs.at(-1)
    const { exe = null, argv = null, cwd = null, name = parentName } = last ?? {}
    const known = { name, exe, argv, cwd, uid, user }
    list.push({ type: 'exit', ...at(endNs), ...known, exitCode, signal, coreDumped, durationNs, durationSince, usage })
  }
  return list.map((one) => checked(one))
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
