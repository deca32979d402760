/** The interface of the native part. Only this file imports the loader. */
import { release } from 'node:os'
import {
  type ErrorCode,
  type NativeError,
  ProcessMonitorError,
  checkInteger,
  checkObject,
  checkPath,
  fromNative,
  hintFor,
  usageHintFor,
  invalidArgType,
  platformError,
} from '../api/errors.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import type { FilterRule } from './interest.js'
import { loadBinding } from './loader.js'

/** The number of counters that `stats` fills. */
export const STATS_LENGTH = 25

/** The exports of the binding. */
export interface NativeBinding {
  readonly Source: new (options: NativeOptions, words: Uint32Array, onRecords: OnRecords) => NativeSource
  /** Returns those of `pids` whose process has exited, or an error if `procRoot` cannot be read. */
  deletedPids(pids: Uint32Array, procRoot: string): NativeDeletedPids
  /** Sends a signal to the process with this pid and start time. */
  signalProcess(pid: number, startTime: number, signal: number): NativeSignalResult
  /** Finds out which sources this environment permits. */
  probe(procRoot: string): NativeProbe
  /** Returns null if the costs of processes can be read where the connector can be used. */
  probeUsage(procRoot: string): NativeError | null
}

/** The result of `deletedPids`. */
export interface NativeDeletedPids {
  /** Empty if `error` is present. */
  readonly pids: Iterable<number>
  readonly error?: NativeError | undefined
}

/** The result of `signalProcess`. */
export interface NativeSignalResult {
  /** False if the process has exited, or if `error` is present. */
  readonly sent: boolean
  readonly error?: NativeError | undefined
}

/** The result of `probe`. A source without an error can be used. */
export interface NativeProbe {
  readonly netlink?: NativeError | undefined
  readonly polling?: NativeError | undefined
  readonly usage?: NativeError | undefined
}

/**
 * Called when records are queued. Unless earlier records are still in the array, they have been copied to it.
 * - `end`: the value that `drain` would have returned.
 * - `isAll`: true if all queued records have been copied. The next record calls this again.
 */
export type OnRecords = (end: number, isAll: boolean) => void

/** Options of a source. 0 for one of the three sizes: the core's default. */
export interface NativeOptions {
  /** 0: netlink; 1: polling; 2: netlink, or polling if that is unavailable. */
  readonly source: number
  /** The longest time between two looks of the polling source, in milliseconds. */
  readonly pollingInterval: number
  /** How hard the polling source looks. 0: low; 1: normal; 2: high. */
  readonly effort: number
  /** The size of the socket's receive buffer, in bytes. */
  readonly receiveBufferSize: number
  /** The most events that may wait for JavaScript. */
  readonly queueSize: number
  /** The most bytes kept of the arguments of one process. */
  readonly maxArgvBytes: number
  readonly procRoot: string
  /** True: the reader may raise its priority while details are captured. */
  readonly raisePriority: boolean
  /** The longest time by which events may be delayed, in milliseconds. */
  readonly maxLatency: number
  /** True: scans report kernel threads. */
  readonly kernelThreads: boolean
  /** The initial rules, see `addRule`. */
  readonly rules: readonly FilterRule[]
}

/** One running native reader. Its constructor returns at once. The first record reports success or failure. */
export interface NativeSource {
  /**
   * Copies whole records to `words[3..]`, writes their end index to `words[0]`, and returns it. The caller writes 0 to
   * `words[0]` when it has handled the records. `words[1]` and `words[2]` get the difference between the time of day and
   * the records' times. Other results:
   * - 0: no record is queued. The next one calls `OnRecords`.
   * - -n: the next record needs an array of n words.
   */
  drain(): number
  /** Sets the array that records are copied to. */
  setBuffer(words: Uint32Array): void
  /** Adds a rule. Events that match any rule are delivered. The cost does not depend on the number of rules. */
  addRule(rule: FilterRule): void
  /** Removes one rule that equals the given one. */
  removeRule(rule: FilterRule): void
  /**
   * Queues every running process as an exec record of the origin `bootstrap` with this `id`, then a `SCAN_FINISHED` record
   * with it. Events newer than the snapshot follow. Older events precede it, except at the first scan.
   */
  scan(id: number): void
  /**
   * Queues a `WATCH_RESULT` record with this `id`. If the process is running, the next exit record of the pid is the exit of
   * that process, and it is sure to follow. If not, all exits of the pid precede the record. If the process exited recently or
   * is a zombie, the record holds its exit. If /proc shows another pid namespace, the record says so. With a `startTime`, a process that was created at another time does not count.
   */
  watchExit(id: number, pid: number, startTime?: number): void
  /** Queues a `FLUSHED` record with this `id` after all events that the kernel has reported by now. */
  flush(id: number): void
  /** Fills `out`, at least {@link STATS_LENGTH} long, with counters. */
  stats(out: Float64Array): void
  /** Asks the reader to end. `CLOSED` is the last record. */
  stop(): void
  /** Joins the native thread. Call it once, after `CLOSED`. */
  join(): void
}

/** The known options of `probe` and `findDeletedProcesses`. */
const PROC_OPTIONS: KnownKeys<{ readonly procRoot?: string | undefined }> = { procRoot: true }

let binding: NativeBinding | undefined

/**
 * Returns the binding. The first call loads it, so that importing the package does nothing and never fails.
 * A failure is not cached, because the user may repair the installation while the program runs.
 */
export function load(): NativeBinding {
  if (process.platform !== 'linux') throw platformError(process.platform)
  return (binding ??= loadBinding() as NativeBinding)
}

/** Returns the default mount point of the host's proc file system. */
export function defaultProcRoot(): string {
  return process.env['HOST_PROC'] || '/proc'
}

/** Checks the option `procRoot`, and returns it or its default. */
export function checkProcRoot(value: unknown): string {
  return checkPath('options.procRoot', value, defaultProcRoot())
}

/** The sources that are available in this environment. */
export interface ProbeReport {
  /** True if the kernel's process connector is available. */
  readonly netlink: boolean
  /** True if /proc can be polled. With `hidepid` it shows only the processes of this user. */
  readonly polling: boolean
  /** The reason why netlink is unavailable. Absent: netlink is available. */
  readonly reason?: ErrorCode
  /** The next thing to do about the reason. Absent: netlink is available. */
  readonly hint?: string
  /** True if the costs of processes can be read: `capture: ['usage']`. They need netlink. */
  readonly usage: boolean
  /** The reason why costs cannot be read. Absent: they can be read. */
  readonly usageReason?: ErrorCode
  /** The next thing to do about that reason. Absent: costs can be read. */
  readonly usageHint?: string
  /** The kernel's release, as `uname -r` prints it. */
  readonly kernel: string
}

/**
 * Reports which sources are available in this environment, without starting anything. Use it for an application's own
 * diagnostics. An unavailable source is a result, not a rejection.
 *
 * ```ts
 * const { netlink, hint } = await probe()
 * if (!netlink) console.error(hint)
 * ```
 *
 * @param options - `procRoot`: the mount point of the host's proc file system. Default: `$HOST_PROC`, or `/proc` if that is
 * not set.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE` (as a rejection),
 * for an argument that is not as typed.
 */
export async function probe(options: { readonly procRoot?: string | undefined } = {}): Promise<ProbeReport> {
  checkOptionsObject(options, PROC_OPTIONS)
  const root = checkProcRoot(options.procRoot)
  const kernel = release()
  let netlink: ProcessMonitorError | null
  let usage: ProcessMonitorError | null
  let polling = false
  try {
    const report = load().probe(root)
    netlink = report.netlink ? fromNative(report.netlink) : null
    usage = report.usage ? fromNative(report.usage) : null
    polling = !report.polling
  } catch (error) {
    if (!(error instanceof ProcessMonitorError)) throw error
    netlink = usage = error
  }
  const reason = netlink === null ? {} : { reason: netlink.code, hint: hintFor(netlink.code) ?? netlink.message }
  const usageReason =
    usage === null ? {} : netlink === null ? refusalOf(usage) : { usageReason: usage.code, usageHint: NEEDS_NETLINK }
  return { netlink: netlink === null, polling, ...reason, usage: usage === null, ...usageReason, kernel }
}

/** The reason why the costs of processes cannot be read, and the next thing to do about it. */
export type UsageRefusal = Required<Pick<ProbeReport, 'usageReason' | 'usageHint'>>

/** Returns null if the costs of processes can be read. Must be called where the connector is in use. */
export function probeUsage(): UsageRefusal | null {
  const error = load().probeUsage(defaultProcRoot())
  return error && refusalOf(fromNative(error))
}

function refusalOf(usage: ProcessMonitorError): UsageRefusal {
  return { usageReason: usage.code, usageHint: usageHintFor(usage.code) ?? usage.message }
}

const NEEDS_NETLINK = "The costs of processes need the kernel's process connector, which is unavailable."

/** The kernel's limit of pids on 64 bits. */
export const PID_MAX_LIMIT: number = 2 ** 22
/** The largest value of the kernel's type pid_t. */
const PID_T_MAX = 2 ** 31 - 1

/**
 * Returns the pids among the keys whose process has terminated: it is gone, it is a zombie, or its number now belongs to a
 * thread only. This reads /proc once, synchronously, and does not change the input. It needs no running monitor.
 *
 * ```ts
 * for (const pid of findDeletedProcesses(workers)) workers.delete(pid)
 * ```
 *
 * @param pids - a Map or a Set by pid, or another object with such `keys()`. An array is not accepted, because its keys are
 * indexes. The pids are 0 to 2,147,483,647.
 * @param options - `procRoot`: the mount point of the host's proc file system. Default: `$HOST_PROC`, or `/proc` if that is
 * not set.
 * @throws a {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` if /proc cannot be read. `ERR_PROC_NAMESPACE` if it is that of
 * another pid namespace. `ERR_UNSUPPORTED_PLATFORM` or `ERR_NATIVE_BINDING` if the native part is unavailable.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, or RangeError `ERR_OUT_OF_RANGE`, for arguments or
 * keys that are not as typed.
 */
export function findDeletedProcesses(
  pids: Pick<ReadonlyMap<number, unknown>, 'keys'> & { readonly length?: never },
  options: { readonly procRoot?: string | undefined } = {},
): Set<number> {
  checkObject('pids', pids)
  // Reject arrays, because their keys are indexes, not pids.
  if (typeof pids.keys !== 'function' || Array.isArray(pids) || ArrayBuffer.isView(pids)) {
    throw invalidArgType('pids', 'a Map or a Set by pid', pids)
  }
  checkOptionsObject(options, PROC_OPTIONS)
  const root = checkProcRoot(options.procRoot)
  const keys = [...pids.keys()]
  for (const [i, pid] of keys.entries()) checkInteger(`pids.keys()[${i}]`, pid, 0, PID_T_MAX)
  const { pids: deleted, error } = load().deletedPids(Uint32Array.from(keys), root)
  if (error) throw fromNative(error)
  return new Set(deleted)
}
