/** Every error this package throws: its code, what failed, and the next thing to do. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** Why something failed, as {@link ProcessMonitorError.code}. */
export type ErrorCode =
  /** The kernel refuses this user. */
  | 'ERR_PERMISSION'
  /** This process is in a pid namespace of its own, where the kernel answers no listener. */
  | 'ERR_PID_NAMESPACE'
  /** This process is in a user namespace of its own, where the kernel answers no listener. */
  | 'ERR_USER_NAMESPACE'
  /** This process is in a network namespace of its own, and may not join the host's. */
  | 'ERR_NETWORK_NAMESPACE'
  /** The kernel was built without the process connector. */
  | 'ERR_CONNECTOR_UNAVAILABLE'
  /** Not Linux. */
  | 'ERR_UNSUPPORTED_PLATFORM'
  /** The package's native part is missing or cannot be loaded. */
  | 'ERR_NATIVE_BINDING'
  /** The proc file system cannot be read. */
  | 'ERR_PROC_UNREADABLE'
  /** Reading from the kernel failed in a way that is none of the others. */
  | 'ERR_SOURCE_FAILED'
  /** The function is already subscribed to this type of event. */
  | 'ERR_CALLBACK_REGISTERED'
  /** No such process is running. */
  | 'ERR_NO_SUCH_PROCESS'
  /** More events were waiting than the consumer's queue holds. */
  | 'ERR_QUEUE_OVERFLOW'
  /** The monitor was stopped first. */
  | 'ERR_STOPPED'

/** What is known of the cause of a {@link ProcessMonitorError}. */
export interface ErrorDetails {
  readonly errno?: number | undefined
  readonly syscall?: string | undefined
  readonly cause?: unknown
}

/** Monitoring cannot be had, or has failed. The message says what failed, then what to do about it. */
export class ProcessMonitorError extends Error {
  /** Why. */
  readonly code: ErrorCode
  /** The system's error number, negative as in Node.js's own system errors (`-1` is EPERM). Absent where none was given. */
  declare readonly errno?: number
  /** The system call that failed. Absent where none did. */
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

/** The codes that the native part gives, in the order of its numbers for them. */
const NATIVE_CODES: readonly ErrorCode[] = [
  'ERR_PERMISSION',
  'ERR_PID_NAMESPACE',
  'ERR_USER_NAMESPACE',
  'ERR_NETWORK_NAMESPACE',
  'ERR_CONNECTOR_UNAVAILABLE',
  'ERR_PROC_UNREADABLE',
  'ERR_SOURCE_FAILED',
]

/** The errors of a program, or a machine, that has no file descriptor left: no other cause is to be looked for. */
const DESCRIPTOR_ERRORS: ReadonlySet<number> = new Set([constants.errno.EMFILE, constants.errno.ENFILE])
const DESCRIPTOR_HINT = 'No file descriptor is left: raise the limit (ulimit -n, LimitNOFILE), or close some'

const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_PERMISSION:
    'The kernel, or a sandbox, refuses the process connector to this user: run as root or with CAP_NET_ADMIN, or on Linux 6.6 or newer, which asks for no privilege; and let seccomp and SELinux policies allow AF_NETLINK sockets',
  ERR_PID_NAMESPACE:
    "The kernel reports processes to the host's pid namespace only: start the container with --pid=host (Kubernetes: hostPID: true)",
  ERR_USER_NAMESPACE:
    'The kernel reports processes to the initial user namespace only: run outside the rootless or user-remapped container (docker: --userns=host; Kubernetes: hostUsers: true)',
  ERR_NETWORK_NAMESPACE:
    "The kernel reports processes to the host's network namespace only: start the container with --net=host (Kubernetes: hostNetwork: true), or with CAP_SYS_ADMIN and the host's /proc named by $HOST_PROC",
  ERR_CONNECTOR_UNAVAILABLE:
    'This kernel has no process connector: it takes one built with CONFIG_CONNECTOR=y and CONFIG_PROC_EVENTS=y',
  ERR_PROC_UNREADABLE: 'Mount a proc file system there, or name another one by the option procRoot or $HOST_PROC',
  ERR_SOURCE_FAILED: 'Call initialize() again to start anew',
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

/** Creates an error whose message states the failed call and its errno, then the next thing to do. */
export function nativeError(
  code: ErrorCode,
  { errno, syscall, context }: Omit<NativeError, 'code'>,
  hint: string | undefined = DESCRIPTOR_ERRORS.has(errno) ? DESCRIPTOR_HINT : HINTS[code],
): ProcessMonitorError {
  const what = [syscall, context].filter(Boolean).join(' ') || 'the native part'
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error']
  const failed = errno === 0 ? what : `${what}: ${name}, ${text}`
  return new ProcessMonitorError(code, hint === undefined ? failed : `${failed}. ${hint}.`, {
    ...(errno === 0 ? {} : { errno: -errno }),
    ...(syscall ? { syscall } : {}),
  })
}

/** What to do about it, in one sentence. */
export function hintFor(error: ProcessMonitorError): string {
  return HINTS[error.code] ?? error.message
}

/** What `initialize()` and others reject with where the last `stop()` came first. */
export function stoppedError(): ProcessMonitorError {
  return new ProcessMonitorError(
    'ERR_STOPPED',
    'The monitor was stopped before this was done. Call getProcessMonitor().initialize() to start anew.',
  )
}

/** What a call rejects with that needs a monitor that has been initialized. */
export function notInitializedError(): ProcessMonitorError {
  return new ProcessMonitorError('ERR_STOPPED', 'The monitor is not running. Call initialize() first.')
}

/** As Node.js's own: an `AbortError` whose cause is the signal's reason. */
export function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}

/** A TypeError as Node.js's own for an argument, or a property of one, of a wrong type. */
export function invalidArgType(name: string, expected: string, actual: unknown): TypeError {
  const message = `The ${JSON.stringify(name)} ${kindOfName(name)} must be ${expected}. Received ${received(actual)}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** A RangeError as Node.js's own for an argument, or a property of one, of the right type and a wrong value. */
export function outOfRange(name: string, expected: string, actual: unknown): RangeError {
  const message = `The value of ${JSON.stringify(name)} is out of range. It must be ${expected}. Received ${received(actual)}`
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
}

/** Refuses all but integers within the bounds. */
export function checkInteger(name: string, value: unknown, least: number, most: number): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer >= ${least} && <= ${most}`, value)
  }
}

/** Refuses all but one of the given strings. */
export function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value)
  if (!allowed.includes(value)) throw outOfRange(name, `one of ${allowed.map((a) => `'${a}'`).join(', ')}`, value)
}

/** Refuses all but true and false; undefined stands for false. */
export function checkFlag(name: string, value: unknown): asserts value is boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
}

/** Refuses all but objects; functions and null are none. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw invalidArgType(name, 'of type object', value)
}

/** A path of at least one character, or the fallback where none is given. */
export function checkPath(name: string, value: unknown, fallback: string): string {
  if (value === undefined) return fallback
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value)
  if (value === '' || value.includes('\0')) throw outOfRange(name, 'a path, not empty and without null bytes', value)
  return value
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
