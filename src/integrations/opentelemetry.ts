/** Events in the words of OpenTelemetry's semantic conventions, as plain data. */
import { uptime } from 'node:os'
import { basename } from 'node:path'
import { checkFlag, checkObject } from '../api/errors.js'
import type { ProcessEvent, ProcessInfo } from '../api/event-types.js'

/** What goes into an {@link OpenTelemetryEvent}. */
export interface OpenTelemetryOptions {
  /**
   * Whether to tell the arguments, `process.command_args`. The conventions ask not to collect them by default, unless
   * something takes out what is confidential: see `redact` in {@link MonitorOptions}. Default: false.
   */
  readonly arguments?: boolean
}

/**
 * An event in the shape of OpenTelemetry's log record, which `logger.emit()` of `@opentelemetry/api-logs` takes as it is.
 */
export interface OpenTelemetryEvent {
  /** `proc_events.exec`, `proc_events.exit` and so on: this package's own, as the conventions have no names for them. */
  readonly eventName: string
  /** When it happened: milliseconds since 1970, as `Date.now()` gives them, with a fraction. */
  readonly timestamp: number
  /** What is known, and nothing that is not. */
  readonly attributes: OpenTelemetryAttributes
}

/**
 * The attributes of the process registry (all of them of the stability "development"), of `container.id`, and one of
 * this package's own. One is absent where it was not captured, or could not be read.
 */
export interface OpenTelemetryAttributes {
  /** The process's id. */
  readonly 'process.pid': number
  /** The parent's process id. */
  readonly 'process.parent_pid'?: number
  /** The path of the program's file. */
  readonly 'process.executable.path'?: string
  /** The last part of that path; where only the process's name was captured, that. */
  readonly 'process.executable.name'?: string
  /** argv[0]. */
  readonly 'process.command'?: string
  /** All of argv, argv[0] too. Only if `arguments` was asked for. */
  readonly 'process.command_args'?: string[]
  /** The length of argv; absent where its end is missing. */
  readonly 'process.args_count'?: number
  /** The working directory. */
  readonly 'process.working_directory'?: string
  /** Real user id. */
  readonly 'process.real_user.id'?: number
  /** The path alone. */
  readonly 'process.linux.cgroup'?: string
  /** The container's id, where the cgroup path carries one. */
  readonly 'container.id'?: string
  /** ISO 8601. Exact to some 20 ms: the kernel counts in hundredths of a second. */
  readonly 'process.creation.time'?: string
  /** ISO 8601. */
  readonly 'process.exit.time'?: string
  /** The exit code; absent where a signal ended the process. */
  readonly 'process.exit.code'?: number
  /** This package's own, as the conventions have none: the name of the signal that ended the process. */
  readonly 'process.exit.signal'?: string
}

/** Of /proc/PID/stat, for programs: it is the same on all of the architectures that this package runs on. */
const TICK_MS = 10

/**
 * An event in the words of OpenTelemetry's semantic conventions. It takes no other package, and reads nothing of the
 * process: what the attributes are to tell has to be captured.
 *
 * Times of day are worked out from the monotonic clock as of now. For an event that has been kept while the machine slept
 * or the clock was set they are off by that. `process.command_line` is never told: the conventions ask not to assemble it.
 *
 * @param event - as a callback, an iterator or a channel received it.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for an argument that is not as typed.
 */
export function toOpenTelemetry(event: ProcessEvent, options: OpenTelemetryOptions = {}): OpenTelemetryEvent {
  checkObject('event', event)
  checkObject('options', options)
  checkFlag('options.arguments', options.arguments)
  const { type, pid, process, timestampNs } = event
  const timestamp = timeOfDay(timestampNs)
  const attributes: Record<string, unknown> = {
    'process.pid': pid,
    'process.parent_pid': ('ppid' in event ? event.ppid : null) ?? process.ppid,
    'process.executable.path': process.exe,
    'process.executable.name': process.exe ? basename(process.exe) : process.name,
    ...commandOf(process, options.arguments === true),
    'process.working_directory': process.cwd,
    'process.real_user.id': process.uid,
    'process.linux.cgroup': process.cgroup,
    'container.id': process.containerId,
    'process.creation.time': creationTime(process, timestamp),
  }
  if (event.type === 'exit') {
    attributes['process.exit.time'] = new Date(timestamp).toISOString()
    attributes['process.exit.code'] = event.exitCode
    attributes['process.exit.signal'] = event.signal
  }
  const known = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null)
  // What the record above holds under each name is what the type says, or nothing.
  return { eventName: `proc_events.${type}`, timestamp, attributes: Object.fromEntries(known) as never }
}

function commandOf({ argv, argvTruncated }: ProcessInfo, withArguments: boolean): Record<string, unknown> {
  if (argv === undefined || argv === null) return {}
  return {
    'process.command': argv[0],
    'process.command_args': withArguments ? [...argv] : null,
    'process.args_count': argvTruncated === true ? null : argv.length,
  }
}

function timeOfDay(timestampNs: number): number {
  return Date.now() - (Number(globalThis.process.hrtime.bigint()) - timestampNs) / 1e6
}

/** Ticks are counted on a clock that goes on while the machine sleeps. */
function creationTime({ startTime }: ProcessInfo, timestamp: number): string | null {
  if (startTime === undefined || startTime === null) return null
  const created = Date.now() - uptime() * 1000 + startTime * TICK_MS
  // A container may be shown an uptime of its own, from which nothing follows.
  return created <= timestamp + 2 * TICK_MS ? new Date(created).toISOString() : null
}
