/** Entries for pictures, from events of the monitor or from a recording. */
import { checkObject, inspected, invalidArgType, invalidArgValue } from '../api/errors.js'
import type { ProcessEvent } from '../api/event-types.js'
import { type Entry, eventEntry, parentOf } from '../recording/entry.js'
import { toEntry } from '../recording/ndjson.js'
import { entriesOfRun, isRun } from '../recording/run-entry.js'

/**
 * An object of a recording: a parsed line of `proc-events --json`, or of `proc-events run --json`. The file
 * `schema/recording.schema.json` of the package describes its keys.
 */
export interface RecordedEntry {
  /** The type of an event, `start`, `end`, `loss`, `note`, `heartbeat` or `run`. Other objects are ignored. */
  readonly type: string
  /** Nanoseconds on CLOCK_MONOTONIC. `run` has none. */
  readonly timestampNs?: number
}

/** An event of the monitor, or an object of a recording. */
export type TraceEntry = ProcessEvent | RecordedEntry

/** @throws TypeError for a value that is no entry. */
export function* entriesOf(values: Iterable<TraceEntry>): Generator<Entry> {
  if (typeof (values as Partial<Iterable<TraceEntry>> | null)?.[Symbol.iterator] !== 'function') {
    throw invalidArgType('entries', 'an iterable of objects', values)
  }
  let index = 0
  for (const value of values) {
    const name = `entries[${index++}]`
    checkObject(name, value)
    try {
      if (isRun(value)) {
        yield* entriesOfRun(value)
        continue
      }
      const entry = toEntry(isProcessEvent(value) ? entryOf(value) : value)
      if (entry !== null) yield entry
    } catch (error) {
      if (!(error instanceof Error) || 'code' in error) throw error
      throw invalidArgValue(name, `is no entry: ${error.message}`, inspected(value))
    }
  }
}

/** Returns true for an event of the monitor, whose details are an object of their own. */
function isProcessEvent(value: TraceEntry): value is ProcessEvent {
  return 'process' in value && typeof value.process === 'object' && value.process !== null
}

function entryOf(event: ProcessEvent): Entry {
  const context = { inheritedName: null, parentName: null, user: null, showsArguments: true }
  return eventEntry(event, { ...context, ppid: parentOf(event) })
}
