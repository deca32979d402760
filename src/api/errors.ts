/** The errors of this package: codes, messages with the next thing to do, and argument checks. */
import { constants } from 'node:os'
import { getSystemErrorMap, inspect } from 'node:util'
import { nearest } from './nearest.js'

/** The reason of a failure, as {@link ProcessMonitorError.code}. */
export type ErrorCode =
  /** The kernel or a sandbox refuses the process connector to this user. */
  | 'ERR_PERMISSION'
  /** This process is not in the initial pid namespace. The kernel does not answer listeners there. */
  | 'ERR_PID_NAMESPACE'
  /** This process is not in the initial user namespace. The kernel does not answer listeners there. */
  | 'ERR_USER_NAMESPACE'
  /** This process is not in the host's network namespace, and may not join it. */
  | 'ERR_NETWORK_NAMESPACE'
  /** The kernel was built without the process connector. */
  | 'ERR_CONNECTOR_UNAVAILABLE'
  /** The platform is not Linux. */
  | 'ERR_UNSUPPORTED_PLATFORM'
  /** The package's native part is missing or cannot be loaded. */
  | 'ERR_NATIVE_BINDING'
  /** The proc file system cannot be read. */
  | 'ERR_PROC_UNREADABLE'
  /** The proc file system shows another pid namespace, so that its pids are not those of this process. */
  | 'ERR_PROC_NAMESPACE'
  /** The source failed for a reason without a code of its own. */
  | 'ERR_SOURCE_FAILED'
  /** The function is already subscribed to this type of event. */
  | 'ERR_CALLBACK_REGISTERED'
  /** No such process is running. */
  | 'ERR_NO_SUCH_PROCESS'
  /** More events waited than the iterator's `queueSize`. */
  | 'ERR_QUEUE_OVERFLOW'
  /** The monitor was stopped first, or is not initialized. */
  | 'ERR_STOPPED'

/** The system error behind a {@link ProcessMonitorError}, as far as it is known. */
export interface ErrorDetails {
  /** The system's error number, negative. undefined: no system call failed. */
  readonly errno?: number | undefined
  /** The system call that failed. undefined: none did. */
  readonly syscall?: string | undefined
  /** The underlying error. */
  readonly cause?: unknown
}

/**
 * Monitoring is unavailable or has failed. The message names the failure, then the next thing to do.
 *
 * ```ts
 * await monitor.initialize().catch((error) => {
 *   if (error instanceof ProcessMonitorError && error.code === 'ERR_PERMISSION') console.error(error.message)
 * })
 * ```
 */
export class ProcessMonitorError extends Error {
  /** The reason of the failure. */
  readonly code: ErrorCode
  /** The system's error number, negative as in Node.js's own system errors (`-1` is EPERM). Absent: no system call failed. */
  declare readonly errno?: number
  /** The system call that failed. Absent: none did. */
  declare readonly syscall?: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    if (details.errno !== undefined) this.errno = details.errno
    if (details.syscall !== undefined) this.syscall = details.syscall
  }

  static {
    this.prototype.name = 'ProcessMonitorError'
  }
}

/** The codes of the native part. The index is its number. */
const NATIVE_CODES: readonly ErrorCode[] = [
  'ERR_PERMISSION',
  'ERR_PID_NAMESPACE',
  'ERR_USER_NAMESPACE',
  'ERR_NETWORK_NAMESPACE',
  'ERR_CONNECTOR_UNAVAILABLE',
  'ERR_PROC_UNREADABLE',
  'ERR_SOURCE_FAILED',
  'ERR_PROC_NAMESPACE',
]

/** The error numbers of a process, or a machine, without a free file descriptor. They outweigh the code's own hint. */
const DESCRIPTOR_ERRORS: ReadonlySet<number> = new Set([constants.errno.EMFILE, constants.errno.ENFILE])
const DESCRIPTOR_HINT = 'No file descriptor is free. Raise the limit (ulimit -n, LimitNOFILE), or close some.'

/** The next thing to do, in full sentences. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_PERMISSION:
    "The kernel or a sandbox refuses the process connector to this user. Grant CAP_NET_ADMIN (root has it outside of containers; docker: --cap-add NET_ADMIN), or use Linux 6.6 or newer, which needs no privilege. Let seccomp and SELinux policies allow AF_NETLINK sockets. Or use source: 'auto'.",
  ERR_PID_NAMESPACE:
    "The kernel reports processes to the host's pid namespace only. Start the container with --pid=host (Kubernetes: hostPID: true), or use source: 'auto'.",
  ERR_USER_NAMESPACE:
    "The kernel reports processes to the initial user namespace only. Run outside the rootless or user-remapped container (docker: --userns=host; Kubernetes: hostUsers: true), or use source: 'auto'.",
  ERR_NETWORK_NAMESPACE:
    "The kernel reports processes to the host's network and pid namespaces only. Start the container with --net=host --pid=host (Kubernetes: hostNetwork: true, hostPID: true), or use source: 'auto'. As an alternative to --net=host, give it CAP_SYS_ADMIN and CAP_SYS_PTRACE, which are effective only without --user.",
  ERR_CONNECTOR_UNAVAILABLE:
    "This kernel has no process connector. Use a kernel built with CONFIG_CONNECTOR=y and CONFIG_PROC_EVENTS=y, or use source: 'auto'.",
  ERR_PROC_UNREADABLE: 'Mount a proc file system there, or name another one in the option procRoot or in $HOST_PROC.',
  ERR_PROC_NAMESPACE:
    "Use the /proc of this process's own pid namespace (procRoot, $HOST_PROC), or start the container with --pid=host.",
  ERR_SOURCE_FAILED: 'Call initialize() to start again.',
  ERR_UNSUPPORTED_PLATFORM: "Run it on Linux, or check process.platform === 'linux' first.",
}

/** The next thing to do if the costs of processes cannot be read. */
const USAGE_HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_PERMISSION:
    'The kernel tells the costs of processes only with CAP_NET_ADMIN. Grant it (docker: --cap-add NET_ADMIN), or run as root outside of containers.',
  ERR_PID_NAMESPACE:
    "The kernel tells the costs of processes in the host's pid namespace only. Start the container with --pid=host.",
  ERR_USER_NAMESPACE:
    'The kernel tells the costs of processes in the initial user namespace only. Run outside the rootless container.',
  ERR_NETWORK_NAMESPACE:
    "The kernel tells the costs of processes in the host's network namespace only. Start the container with --net=host.",
  ERR_SOURCE_FAILED:
    'This kernel does not tell the costs of processes. Use Linux 5.19 or newer, with CONFIG_TASKSTATS=y, CONFIG_TASK_DELAY_ACCT=y, CONFIG_TASK_XACCT=y and CONFIG_TASK_IO_ACCOUNTING=y.',
}

/** Returns the next thing to do if costs cannot be read because of this code. */
export function usageHintFor(code: ErrorCode): string | undefined {
  return USAGE_HINTS[code]
}

/** An error as the binding returns it. Failure records carry the same four values. */
export interface NativeError {
  /** The index of the code in {@link NATIVE_CODES}. */
  readonly code: number
  /** The error number, positive; 0 if there is none. */
  readonly errno: number
  /** The name of the failed system call; absent if no system call failed. */
  readonly syscall?: string | undefined
  /** The object of the failed system call, or the finding that led to `code` if no system call failed. */
  readonly context: string
}

/** Converts an error of the native part. An unknown code counts as a failure of the source. */
export function fromNative(error: NativeError, hint?: string): ProcessMonitorError {
  return nativeError(NATIVE_CODES[error.code] ?? 'ERR_SOURCE_FAILED', error, hint)
}

/** Returns an error whose message states the failed call and its errno, and then the next thing to do. */
export function nativeError(
  code: ErrorCode,
  { errno, syscall, context }: Omit<NativeError, 'code'>,
  hint: string | undefined = DESCRIPTOR_ERRORS.has(errno) ? DESCRIPTOR_HINT : HINTS[code],
): ProcessMonitorError {
  const subject = [syscall, context].filter(Boolean).join(' ') || 'the native part'
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error']
  const failed = errno === 0 ? subject : `${subject}: ${name}, ${text}`
  return new ProcessMonitorError(code, hint === undefined ? failed : `${failed}. ${hint}`, {
    ...(errno === 0 ? {} : { errno: -errno }),
    ...(syscall ? { syscall } : {}),
  })
}

/** Returns the next thing to do about the errors of a code. undefined: it depends on the error, whose message has it. */
export function hintFor(code: ErrorCode): string | undefined {
  return HINTS[code]
}

/** Returns the error of another platform than Linux. */
export function platformError(platform: string): ProcessMonitorError {
  const code = 'ERR_UNSUPPORTED_PLATFORM'
  const failed = `proc-events: the process connector is part of Linux, and this is ${platform}`
  return new ProcessMonitorError(code, `${failed}. ${HINTS[code]}`)
}

/** Returns the error of a pending `initialize()` or `waitForExit()` that the last `stop()` ends. */
export function stoppedError(): ProcessMonitorError {
  return new ProcessMonitorError(
    'ERR_STOPPED',
    'monitor: stopped before the call completed. Call getProcessMonitor().initialize() to start again.',
  )
}

/** Returns the message of an error without the next thing to do. */
export function findingOf({ code, message }: ProcessMonitorError): string {
  const hint = hintFor(code)
  return hint === undefined ? message : message.replace(` ${hint}`, () => '').replace(/\.$/, '')
}

/** Returns the error of a call that needs the pids of this process's own namespace, where /proc shows those of another. */
export function foreignProcError(subject: string): ProcessMonitorError {
  return nativeError('ERR_PROC_NAMESPACE', { errno: 0, context: `${subject}: /proc shows another pid namespace` })
}

/** Returns the error of a call that needs an initialized monitor. */
export function notInitializedError(): ProcessMonitorError {
  return new ProcessMonitorError('ERR_STOPPED', 'monitor: not initialized. Call initialize() first.')
}

/** Returns an `AbortError` like Node.js's own, with the signal's reason as its cause. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}

/** Returns a TypeError like Node.js's own, for an argument or a property of the wrong type. */
export function invalidArgType(name: string, expected: string, actual: unknown): TypeError {
  const message = `The ${JSON.stringify(name)} ${kindOfName(name)} must be ${expected}. Received ${received(actual)}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** Returns a RangeError like Node.js's own, for a number that is too small, too large or not an integer. */
export function outOfRange(name: string, expected: string, actual: unknown): RangeError {
  const message = `The value of ${JSON.stringify(name)} is out of range. It must be ${expected}. Received ${received(actual)}`
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
}

/** Returns a TypeError like Node.js's own, for an argument or a property with a wrong value that is not a number. */
export function invalidArgValue(name: string, problem: string, ending: string): TypeError {
  const message = `The ${kindOfName(name)} '${name}' ${problem}. ${ending}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' })
}

/** Throws unless the value is an integer from `least` to `most`. */
export function checkInteger(name: string, value: unknown, least: number, most: number): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer >= ${least} && <= ${most}`, value)
  }
}

/** Throws unless the value is a number other than NaN and infinity. */
export function checkFinite(name: string, value: unknown): asserts value is number {
  if (!Number.isFinite(value)) throw invalidArgType(name, 'a finite number', value)
}

/** Throws unless the value is one of the strings. The message names the nearest of them. */
export function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value)
  if (allowed.includes(value)) return
  const near = nearest(value, allowed)
  const hint = near === undefined ? '' : `. Did you mean '${near}'?`
  throw invalidArgValue(
    name,
    `must be one of: ${allowed.map((a) => `'${a}'`).join(', ')}`,
    `${inspected(value)}${hint}`,
  )
}

/** Throws unless the value is a boolean or undefined. */
export function checkFlag(name: string, value: unknown): asserts value is boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
}

/** Throws unless the value is an array of these strings. */
export function checkListOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!Array.isArray(value)) throw invalidArgType(name, 'an array of strings', value)
  // Count, because `forEach` skips the holes of a sparse array.
  for (let i = 0; i < value.length; i++) {
    if (!Object.hasOwn(value, i)) throw invalidArgValue(`${name}[${i}]`, 'is missing', inspected(value))
    checkOneOf(`${name}[${i}]`, value[i], allowed)
  }
}

/** Throws unless the value is an object. Functions and null are not. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw invalidArgType(name, 'of type object', value)
}

/** Throws unless the value is an object with properties of its own choice: no array, Map or other built-in object. */
export function checkPlainObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || isBuiltIn(value))
    throw invalidArgType(name, 'a plain object', value)
}

/** Returns true for an array, a RegExp, a Map and other objects of the language or the platform. */
export function isBuiltIn(value: object): boolean {
  return Object.prototype.toString.call(value) !== '[object Object]'
}

/** Returns the path, or the fallback for undefined. Throws for an empty path. */
export function checkPath(name: string, value: unknown, fallback: string): string {
  if (value === undefined) return fallback
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value)
  if (value === '' || value.includes('\0')) {
    throw invalidArgValue(name, 'must be a path, not empty and without null bytes', inspected(value))
  }
  return value
}

/** Returns the end of a message about a wrong value, as Node.js words it. */
export function inspected(value: unknown): string {
  const shown = inspect(value)
  return `Received ${shown.length > 128 ? `${shown.slice(0, 128)}...` : shown}`
}

function kindOfName(name: string): string {
  return name.includes('.') ? 'property' : 'argument'
}

function received(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`
  const shown = typeof value === 'string' ? `'${value.slice(0, 25)}${value.length > 25 ? '...' : ''}'` : String(value)
  return `type ${typeof value} (${shown})`
}
