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

/**
 * Returns a predicate over entries, to be called with each, in order. An entry that is no event always passes. The start
 * tells the boot, which the sample depends on.
 */
export function selector({ failed = false, minDurationMs = 0, sample = 1 }: Selection): (entry: Entry) => boolean {
  if (!failed && minDurationMs === 0 && sample === 1) return () => true
  const leastNs = minDurationMs * 1e6
  let isInSample = sampler(sample, null)
  return (entry) => {
    if (entry.type === 'start') isInSample = sampler(sample, entry.bootId)
    if (!isEvent(entry)) return true
    if (failed && !(entry.type === 'exit' && isFailed(entry))) return false
    if (leastNs > 0 && !(entry.type === 'exit' && (entry.durationNs ?? -1) >= leastNs)) return false
    return isInSample(entry)
  }
}

/**
 * Returns a predicate that is true for one process of `size`. It depends on the boot and the pid alone, which every event has. All
 * events of a process are therefore selected or none, by each observer. A smaller sample is a part of a larger one.
 */
export function sampler(size: number, bootId: string | null): (process: Pick<EventEntry, 'pid'>) => boolean {
  const limit = 2 ** 32 / size
  // Without the boot, machines that start alike would all leave out the same services.
  const seed = [...(bootId ?? '')].reduce((hash, character) => mix(hash ^ character.codePointAt(0)!), 1)
  return ({ pid }) => mix(seed ^ pid) >>> 0 < limit
}

/** Mixes 32 bits, with the finalizer of MurmurHash3. */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
