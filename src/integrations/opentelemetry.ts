/** Converts events to plain data that follows OpenTelemetry's semantic conventions. */
import { uptime } from 'node:os'
import { basename } from 'node:path'
import { checkFinite, checkFlag, checkObject, checkOneOf } from '../api/errors.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import type { ProcessEvent, ProcessInfo } from '../api/event-types.js'
import { EVENT_TYPES } from '../native/record.js'

/** Options of {@link toOpenTelemetry}. */
export interface OpenTelemetryOptions {
  /**
   * True: includes the arguments, `process.command_args`. Default: false, because the conventions ask not to collect
   * arguments that may be confidential. See `redact` in {@link MonitorOptions} to remove confidential text.
   */
  readonly arguments?: boolean | undefined
}

/**
 * An event in the shape of OpenTelemetry's log record. `logger.emit()` of `@opentelemetry/api-logs` accepts it.
 */
export interface OpenTelemetryEvent {
  /** `proc_events.exec`, `proc_events.exit` and so on. The names are this package's own: the conventions have none. */
  readonly eventName: string
  /** The time of the event: milliseconds since 1970, as from `Date.now()`, with a fraction. */
  readonly timestamp: number
  /** 13 (WARN) for an exit with another exit code than 0, or by a signal. 9 (INFO) for every other event. */
  readonly severityNumber: 9 | 13
  /** The name of `severityNumber`. */
  readonly severityText: 'INFO' | 'WARN'
  /** The known attributes. Unknown ones are absent. */
  readonly attributes: OpenTelemetryAttributes
}

/**
 * The attributes: of the process registry (all of the stability "development"), `container.id`, and this package's own, for
 * which the conventions have no name. An attribute is absent if it was not captured or could not be read.
 */
export interface OpenTelemetryAttributes {
  /** The process's id. */
  readonly 'process.pid': number
  /** The parent's process id. */
  readonly 'process.parent_pid'?: number
  /** The path of the executable. */
  readonly 'process.executable.path'?: string
  /** The last part of that path, or the process's name if the path was not captured. */
  readonly 'process.executable.name'?: string
  /** The first argument, argv[0]. */
  readonly 'process.command'?: string
  /** All arguments, argv[0] included. Absent unless the option `arguments` is true. */
  readonly 'process.command_args'?: string[]
  /** The number of arguments, argv[0] included. Absent if the end of argv is missing. */
  readonly 'process.args_count'?: number
  /** The working directory. */
  readonly 'process.working_directory'?: string
  /** The real user id. */
  readonly 'process.real_user.id'?: number
  /** The cgroup path, without the hierarchy's number and controllers. */
  readonly 'process.linux.cgroup'?: string
  /** The container's id from the cgroup path. Absent if the path has none. */
  readonly 'container.id'?: string
  /** The creation time, in ISO 8601. Exact to some 20 ms, because the kernel counts in hundredths of a second. */
  readonly 'process.creation.time'?: string
  /** The time of the exit, in ISO 8601. */
  readonly 'process.exit.time'?: string
  /** The exit code. Absent if a signal ended the process. */
  readonly 'process.exit.code'?: number
  /** The name of the signal that ended the process. It is this package's own attribute: the conventions have none. */
  readonly 'process.exit.signal'?: string
  /** CPU time in seconds, the name and the unit of the conventions' metric. Absent unless `'usage'` is captured and known. */
  readonly 'process.cpu.time'?: number
  /**
   * The largest amount of memory that the last program had resident, in bytes. It is this package's own attribute. Absent
   * unless `'usage'` is captured and known.
   */
  readonly 'process.memory.peak'?: number
  /** The way in which the event was detected: the event's `origin`. */
  readonly 'proc_events.origin'?: string
  /** Nanoseconds that the process ran: the exit's `durationNs`. */
  readonly 'proc_events.duration_ns'?: number
  /** The beginning of that duration: the exit's `durationSince`. */
  readonly 'proc_events.duration_since'?: string
}

const OPTIONS: KnownKeys<OpenTelemetryOptions> = { arguments: true }

/** The clock tick of /proc/PID/stat, in milliseconds. It is the same on all architectures that this package supports. */
const TICK_MS = 10

/**
 * Converts an event to OpenTelemetry's semantic conventions. It needs no other package. It reads nothing of the process, so
 * capture the details that the attributes need.
 *
 * `process.command_line` is never set, because the conventions ask not to assemble it.
 *
 * ```ts
 * monitor.subscribeExec((pid, event) => logger.emit(toOpenTelemetry(event)), { capture: ['exe', 'ppid'] })
 * ```
 *
 * @param event - an event as a callback, an iterator or a channel received it.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE` for an argument that is not as typed.
 */
export function toOpenTelemetry(event: ProcessEvent, options: OpenTelemetryOptions = {}): OpenTelemetryEvent {
  checkEvent(event)
  checkOptionsObject(options, OPTIONS)
  checkFlag('options.arguments', options.arguments)
  const { type, pid, process, timeMs: timestamp } = event
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
    'proc_events.origin': event.origin,
  }
  if (event.type === 'exit') {
    attributes['process.exit.time'] = new Date(timestamp).toISOString()
    attributes['process.exit.code'] = event.exitCode
    attributes['process.exit.signal'] = event.signal
    attributes['process.cpu.time'] = event.usage ? event.usage.cpuNs / 1e9 : null
    attributes['process.memory.peak'] = event.usage?.maxRssBytes
    attributes['proc_events.duration_ns'] = event.durationNs
    attributes['proc_events.duration_since'] = event.durationSince
  }
  const known = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null)
  return {
    eventName: `proc_events.${type}`,
    timestamp,
    ...(isFailure(event) ? WARN : INFO),
    // Each attribute above has the declared type, or is unknown.
    attributes: Object.fromEntries(known) as never,
  }
}

/** Severities of OpenTelemetry's log data model. */
const INFO = { severityNumber: 9, severityText: 'INFO' } as const
const WARN = { severityNumber: 13, severityText: 'WARN' } as const

/** Returns true for an exit with another exit code than 0, or by a signal. An unknown outcome is not a failure. */
function isFailure(event: ProcessEvent): boolean {
  return event.type === 'exit' && (event.signal !== null || (event.exitCode ?? 0) !== 0)
}

/** Checks what every event has, because an event may also come from a worker or a file. */
function checkEvent(event: unknown): asserts event is ProcessEvent {
  checkObject('event', event)
  const { type, pid, timeMs, process } = event as Partial<ProcessEvent>
  checkOneOf('event.type', type, EVENT_TYPES)
  checkFinite('event.pid', pid)
  checkFinite('event.timeMs', timeMs)
  checkObject('event.process', process)
}

function commandOf({ argv, argvTruncated }: ProcessInfo, withArguments: boolean): Record<string, unknown> {
  if (argv === undefined || argv === null) return {}
  return {
    'process.command': argv[0],
    'process.command_args': withArguments ? [...argv] : null,
    'process.args_count': argvTruncated === true ? null : argv.length,
  }
}

/** Returns the creation time in ISO 8601. Ticks are counted on a clock that includes sleep. */
function creationTime({ startTime }: ProcessInfo, timestamp: number): string | null {
  if (startTime === undefined || startTime === null) return null
  const created = Date.now() - uptime() * 1000 + startTime * TICK_MS
  // A container may see an uptime of its own. The creation time is unknown then.
  return created <= timestamp + 2 * TICK_MS ? new Date(created).toISOString() : null
}
