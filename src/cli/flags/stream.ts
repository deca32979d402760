/** Parses the options of a stream of events: what it selects, and where it goes. */
import type { EventType } from '../../api/event-types.js'
import { UsageError } from '../exit-codes.js'
import { HELD_MAX } from '../output/output.js'
import { type Values, text } from './given.js'
import { DEFAULT_EVENTS, KEPT_FILES } from './options.js'
import * as values from './values.js'

export interface SelectionOptions {
  /** True: only exits of processes that failed. */
  readonly failed: boolean
  /** The shortest lifetime that is shown, in milliseconds. 0: every event is shown. */
  readonly minDurationMs: number
  /** One process of so many is shown. */
  readonly sample: number
}

export interface StreamOptions {
  /** The time between heartbeats. Absent: there are none. */
  readonly heartbeatMs?: number
  /** The most bytes that wait for the reader of the output. */
  readonly bufferBytes: number
  /** The file to write to, and when a new one is begun. Absent: standard output. */
  readonly output?: OutputFile
  readonly metrics?: values.Address
}

export interface OutputFile {
  readonly path: string
  /** The most bytes of a file. */
  readonly rotateBytes?: number
  /** True: a file has the lines of one day. */
  readonly isDaily?: true
  /** The earlier files that are kept. */
  readonly keep: number
}

export function selectionOf(given: Values): SelectionOptions {
  const sample = text(given, 'sample')
  return {
    failed: given['failed'] === true,
    minDurationMs: minDuration(given),
    sample: sample === undefined ? 1 : values.sample('--sample', sample),
  }
}

/** Returns the shortest lifetime that is shown, in milliseconds. */
export function minDuration(given: Values): number {
  const least = text(given, 'min-duration')
  return least === undefined ? 0 : values.duration('--min-duration', least, values.LIFETIME)
}

/** Returns the types of events. Only an exit tells how a process ended. */
export function typesOf(events: string | undefined, { failed, minDurationMs }: SelectionOptions): readonly EventType[] {
  const option = failed ? '--failed' : minDurationMs > 0 ? '--min-duration' : undefined
  const types = events === undefined ? undefined : values.eventTypes('--events', events)
  if (option === undefined) return types ?? DEFAULT_EVENTS
  if (types !== undefined && (types.length > 1 || types[0] !== 'exit'))
    throw new UsageError(`${option}: selects exits. Leave out --events, or give --events exit`)
  return ['exit']
}

export function streamOptions(given: Values): StreamOptions {
  const [heartbeat, buffer, metrics] = ['heartbeat', 'buffer', 'metrics'].map((option) => text(given, option))
  const output = outputFile(given)
  if (heartbeat !== undefined && given['json'] !== true && output === undefined)
    throw new UsageError('--heartbeat: needs --json or --output')
  const view = ['summary', 'top'].find((name) => given[name] === true)
  if (heartbeat !== undefined && view !== undefined)
    throw new UsageError(`--heartbeat and --${view} cannot be combined`)
  if (metrics !== undefined && given['replay'] !== undefined)
    throw new UsageError('--metrics and --replay cannot be combined')
  return {
    ...(heartbeat === undefined ? {} : { heartbeatMs: values.duration('--heartbeat', heartbeat, values.TIMER) }),
    bufferBytes: buffer === undefined ? HELD_MAX : values.size('--buffer', buffer, values.BUFFER),
    ...(output === undefined ? {} : { output }),
    ...(metrics === undefined ? {} : { metrics: values.address('--metrics', metrics) }),
  }
}

function outputFile(given: Values): OutputFile | undefined {
  const [path, rotate, keep] = ['output', 'rotate', 'keep'].map((option) => text(given, option))
  const view = ['tree', 'summary', 'top'].find((name) => given[name] === true)
  if (keep !== undefined && rotate === undefined) throw new UsageError('--keep: needs --rotate')
  if (path === undefined) {
    if (rotate !== undefined) throw new UsageError('--rotate: needs --output')
    return undefined
  }
  if (path === '') throw new UsageError('--output: expected a file')
  if (path === given['replay']) throw new UsageError('--output and --replay cannot be the same file')
  if (view !== undefined) throw new UsageError(`--output and --${view} cannot be combined`)
  return {
    path,
    keep: keep === undefined ? KEPT_FILES : values.count('--keep', keep),
    ...(rotate === undefined ? {} : rotation(rotate)),
  }
}

function rotation(rotate: string): Pick<OutputFile, 'rotateBytes' | 'isDaily'> {
  if (rotate === 'daily') return { isDaily: true }
  return { rotateBytes: values.size('--rotate', rotate, values.FILE_SIZE, "'daily' or ") }
}
