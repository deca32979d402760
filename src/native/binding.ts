/** The binding of the native part. Only this file imports the loader. */
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
  invalidArgType,
} from '../api/errors.js'
import type { FilterRule } from './interest.js'
import { loadBinding } from './loader.js'

/** What the binding exports. */
export interface NativeBinding {
  readonly Source: new (options: NativeOptions, words: Uint32Array, onRecords: OnRecords) => NativeSource
  /** Returns those of `pids` whose process has exited, or an error if `procRoot` cannot be read. */
  deletedPids(pids: Uint32Array, procRoot: string): NativeDeletedPids
  /** Finds out which sources this environment permits. */
  probe(procRoot: string): NativeProbe
}

/** The result of `deletedPids`. */
export interface NativeDeletedPids {
  /** Empty if `error` is present. */
  readonly pids: Iterable<number>
  readonly error?: NativeError | undefined
}

/** The result of `probe`. A source without an error can be used. */
export interface NativeProbe {
  readonly netlink?: NativeError | undefined
  readonly polling?: NativeError | undefined
}

/**
 * Something is waiting. Unless the records copied before are still to be answered, it has been copied already: `end` is
 * what `drain` would have returned, and `isAll` says whether that was all; then this is called again when there is more.
 */
export type OnRecords = (end: number, isAll: boolean) => void

/** How to open a source; for the three sizes 0 is the core's default. */
export interface NativeOptions {
  /** 0 netlink, 1 polling, 2 netlink or else polling. */
  readonly source: number
  /** Milliseconds. */
  readonly pollingInterval: number
  /** Bytes. */
  readonly receiveBufferSize: number
  /** Events. */
  readonly queueSize: number
  /** Bytes. */
  readonly maxArgvBytes: number
  readonly procRoot: string
  /** True: the reader may raise its priority while details are captured. */
  readonly raisePriority: boolean
  /** The rules in force at first, see `addRule`. */
  readonly rules: readonly FilterRule[]
}

/** One running native reader. Its constructor returns at once; how opening went is the first record. */
export interface NativeSource {
  /**
   * Copies whole records behind the first of the words that were given, and returns where they end, which that first word
   * says, too: 0 is to be written there once they are answered. 0: nothing is waiting, and `OnRecords` is
   * called when there is more. -n: the next record needs n words.
   */
  drain(): number
  /** Sets the words to copy records to. */
  setBuffer(words: Uint32Array): void
  /** Adds a rule: what is wanted is what any of them asks for. Costs the same however many there are. */
  addRule(rule: FilterRule): void
  /** Takes away a rule that equals one that was added. */
  removeRule(rule: FilterRule): void
  /**
   * Queues every running process as an exec record of the origin `bootstrap` that carries `id`, then a `scanned` record
   * with it. Behind them are those events that are newer than the look; ahead of them, but at the first scan, the others.
   */
  scan(id: number): void
  /**
   * Queues a `watched` record that carries `id`, and whether the process is running. If it is, the next exit record of
   * that pid behind it is that process's, and will come. If not, all exits of that pid are ahead of it; where the
   * process has ended just now, or was not collected by its parent, the record tells how.
   */
  watchExit(id: number, pid: number): void
  /** Fills `out`, at least 19 long, with counters. */
  stats(out: Float64Array): void
  /** Asks the reader to end; the `closed` record follows as the very last one. */
  stop(): void
  /** Joins the native thread; to be called once, after `closed`. */
  join(): void
}

let binding: NativeBinding | undefined

/**
 * The binding, loaded when first needed, so that importing the package does nothing and cannot fail anywhere.
 * A failure is not remembered: it may be mended while the program runs.
 */
export function load(): NativeBinding {
  if (process.platform !== 'linux') {
    throw new ProcessMonitorError(
      'ERR_UNSUPPORTED_PLATFORM',
      `Processes are reported by a part of the Linux kernel, and this is ${process.platform}. ` +
        "Run this on Linux, or ask for process.platform === 'linux' first.",
    )
  }
  return (binding ??= loadBinding() as NativeBinding)
}

/** Returns where the host's proc file system is mounted, unless an option names another place. */
export function defaultProcRoot(): string {
  return process.env['HOST_PROC'] || '/proc'
}

/** Checks the option `procRoot`, and returns it or its default. */
export function checkProcRoot(value: unknown): string {
  return checkPath('options.procRoot', value, defaultProcRoot())
}

/** What this environment can do. */
export interface ProbeReport {
  /** Whether the kernel's process connector can be had. */
  readonly netlink: boolean
  /** Whether /proc can be polled, and shows the processes of all users. */
  readonly polling: boolean
  /** Why netlink cannot be had. */
  readonly reason?: ErrorCode
  /** What to do about it, in one sentence. */
  readonly hint?: string
  /** The kernel's release, as `uname -r` prints it. */
  readonly kernel: string
}

/**
 * What this environment can do, without starting anything: for an application's own diagnostics. Never rejects for what
 * it finds out, but for arguments that are not as typed.
 *
 * @param options - `procRoot`: where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`.
 */
export async function probe(options: { readonly procRoot?: string } = {}): Promise<ProbeReport> {
  checkObject('options', options)
  const root = checkProcRoot(options.procRoot)
  const kernel = release()
  let netlink: ProcessMonitorError | null
  let polling = false
  try {
    const report = load().probe(root)
    netlink = report.netlink ? fromNative(report.netlink) : null
    polling = !report.polling
  } catch (error) {
    if (!(error instanceof ProcessMonitorError)) throw error
    netlink = error
  }
  if (netlink === null) return { netlink: true, polling, kernel }
  return { netlink: false, polling, reason: netlink.code, hint: hintFor(netlink), kernel }
}

/** The largest value of the kernel's type pid_t. */
const PID_T_MAX = 2 ** 31 - 1

/**
 * The pids among the keys whose process has terminated: it is gone, a zombie, or its number is only a thread's by now.
 * One look at /proc, at once; the input is not changed. No monitor needs to run.
 *
 * @param pids - a Map or a Set by pid, or whatever else has such `keys()`.
 * @param options - `procRoot`: where the host's proc file system is mounted. Default: `$HOST_PROC`, else `/proc`.
 * @throws {@link ProcessMonitorError} `ERR_PROC_UNREADABLE` where /proc cannot be read, `ERR_UNSUPPORTED_PLATFORM` or
 * `ERR_NATIVE_BINDING` where the native part cannot be had.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or RangeError `ERR_OUT_OF_RANGE` for arguments or keys that are not as typed.
 */
export function findDeletedProcesses(
  pids: Pick<ReadonlyMap<number, unknown>, 'keys'>,
  options: { readonly procRoot?: string } = {},
): Set<number> {
  checkObject('pids', pids)
  // An array has keys too, but they are its indexes: taking those for pids would answer a question nobody asked.
  if (typeof pids.keys !== 'function' || Array.isArray(pids) || ArrayBuffer.isView(pids)) {
    throw invalidArgType('pids', 'a Map or a Set by pid', pids)
  }
  checkObject('options', options)
  const root = checkProcRoot(options.procRoot)
  const keys = [...pids.keys()]
  for (const pid of keys) checkInteger('pids', pid, 0, PID_T_MAX)
  const { pids: deleted, error } = load().deletedPids(Uint32Array.from(keys), root)
  if (error) throw fromNative(error)
  return new Set(deleted)
}
