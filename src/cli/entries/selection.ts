/** Selects events by how their process ended, and by a sample of the processes. */
import { type Entry, type EventEntry, isEvent } from '../../recording/entry.js'
import { isFailed } from '../../recording/words.js'

export interface Selection {
  /** True: only exits of processes that failed. */
  readonly failed?: boolean
  /** Only exits of processes with at least this lifetime, in milliseconds. */
  readonly minDurationMs?: number
  /** Only the processes of a sample: one of so many. */
  readonly sample?: number
}

/** Returns a predicate over entries. An entry that is no event always passes. */
export function selector({ failed = false, minDurationMs = 0, sample = 1 }: Selection): (entry: Entry) => boolean {
  const leastNs = minDurationMs * 1e6
  const isInSample = sampler(sample)
  if (!failed && leastNs === 0 && sample === 1) return () => true
  return (entry) => {
    if (!isEvent(entry)) return true
    if (failed && !(entry.type === 'exit' && isFailed(entry))) return false
    if (leastNs > 0 && !(entry.type === 'exit' && (entry.durationNs ?? -1) >= leastNs)) return false
    return isInSample(entry)
  }
}

/**
 * Returns a predicate that is true for one process of `size`. It depends on the pid and the start time alone. All events of a
 * process are therefore selected or none, by each observer. A smaller sample is a part of a larger one.
 */
export function sampler(size: number): (process: Pick<EventEntry, 'pid' | 'startTime'>) => boolean {
  const limit = 2 ** 32 / size
  return ({ pid, startTime }) => hash(pid, startTime ?? 0) < limit
}

/** Mixes both numbers to 32 bits, with the finalizer of MurmurHash3. */
function hash(pid: number, startTime: number): number {
  return mix(mix(mix(pid) ^ (startTime % 2 ** 32)) ^ Math.floor(startTime / 2 ** 32)) >>> 0
}

function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
