/** The records of the observers, and their share of the load. */
import { quantile } from './statistics.ts'

/** One event of an observer. A file has three 32-bit numbers for each: pid, 1 for exec or 2 for exit, latency. */
export interface Seen {
  readonly pid: number
  readonly type: 'exec' | 'exit'
  /** Latency from the kernel to the observer in nanoseconds. 0 if the observer does not record it. */
  readonly late: number
}

/** The seen part of a load. */
export interface Coverage {
  readonly execs: number
  readonly exits: number
  /** Latency in microseconds. NaN if the observer does not record it. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export function words(bytes: Uint8Array): Uint32Array {
  // Copy the bytes, because a Uint32Array must be aligned.
  return new Uint32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4))
}

export function parseRecords(bytes: Uint8Array): Seen[] {
  const figures = words(bytes)
  return Array.from({ length: Math.floor(figures.length / 3) }, (_, index) => {
    const [pid = 0, kind, late = 0] = figures.subarray(3 * index, 3 * index + 3)
    return { pid, type: kind === 1 ? 'exec' : 'exit', late }
  })
}

/** Parses forkstat's columns: time, event, pid, and more. */
export function parseForkstat(text: string): Seen[] {
  return [...text.matchAll(/^\S+ +(exec|exit) +(\d+) /gm)].map(([, type, pid]) => {
    return { pid: Number(pid), type: type === 'exec' ? 'exec' : 'exit', late: 0 }
  })
}

/** Parses extrace's lines: `1234+ command` at exec, `1234- command exited …` at exit, indented as a tree. */
export function parseExtrace(text: string): Seen[] {
  return [...text.matchAll(/^ *(\d+)([+-]) /gm)].map(([, pid, sign]) => {
    return { pid: Number(pid), type: sign === '+' ? 'exec' : 'exit', late: 0 }
  })
}

/** Parses lines such as `exec 4711`. */
export function parseBpftrace(text: string): Seen[] {
  return Array.from(text.matchAll(/^(exec|exit) (\d+)$/gm), ([, type, pid]) => {
    return { pid: Number(pid), type: type === 'exec' ? 'exec' : 'exit', late: 0 }
  })
}

/** Returns the seen events between those of earlier and of later processes. A pid may be reused. */
export function between(earlier: Iterable<number>, seen: readonly Seen[], later: Iterable<number>): Seen[] {
  return without(later, without(earlier, seen).toReversed()).toReversed()
}

/** Drops the first exec and the first exit for each occurrence of a pid. */
function without(pids: Iterable<number>, seen: readonly Seen[]): Seen[] {
  const left = { exec: new Map<number, number>(), exit: new Map<number, number>() }
  for (const counts of Object.values(left)) for (const pid of pids) counts.set(pid, (counts.get(pid) ?? 0) + 1)
  return seen.filter(({ type, pid }) => {
    const count = left[type].get(pid) ?? 0
    if (count > 0) left[type].set(pid, count - 1)
    return count === 0
  })
}

/** Matches the seen events with the load's processes. Each instance counts once at most, and a pid may have several. */
export function coverage(made: Uint32Array, seen: readonly Seen[]): Coverage {
  const instances = new Map<number, number>()
  for (const pid of made) instances.set(pid, (instances.get(pid) ?? 0) + 1)
  const unseen = { exec: new Map(instances), exit: instances }
  const matched = { exec: 0, exit: 0 }
  const late: number[] = []
  for (const event of seen) {
    const left = unseen[event.type].get(event.pid) ?? 0
    if (left === 0) continue
    unseen[event.type].set(event.pid, left - 1)
    matched[event.type]++
    if (event.late > 0) late.push(event.late / 1000)
  }
  const [p50 = 0, p90 = 0, p99 = 0] = [0.5, 0.9, 0.99].map((share) => quantile(late, share))
  return { execs: matched.exec, exits: matched.exit, p50, p90, p99 }
}
