/** What the observers write down, and how much of a load they saw. */
import { quantile } from './statistics.ts'

/** One event as an observer told it. In a file it takes three numbers of 32 bits: pid, 1 for exec or 2 for exit, lateness. */
export interface Seen {
  readonly pid: number
  readonly type: 'exec' | 'exit'
  /** Nanoseconds from the kernel's report to the observer; 0 where it does not tell. */
  readonly late: number
}

/** How much of a load was seen. */
export interface Coverage {
  readonly execs: number
  readonly exits: number
  /** Microseconds, NaN where the observer does not tell. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export function words(bytes: Uint8Array): Uint32Array {
  // A copy, because a view has to begin where a word does.
  return new Uint32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4))
}

export function parseRecords(bytes: Uint8Array): Seen[] {
  const figures = words(bytes)
  return Array.from({ length: Math.floor(figures.length / 3) }, (_, index) => {
    const [pid = 0, kind, late = 0] = figures.subarray(3 * index, 3 * index + 3)
    return { pid, type: kind === 1 ? 'exec' : 'exit', late }
  })
}

/** forkstat's columns: time, event, pid, and more. */
export function parseForkstat(text: string): Seen[] {
  return [...text.matchAll(/^\S+ +(exec|exit) +(\d+) /gm)].map(([, type, pid]) => {
    return { pid: Number(pid), type: type === 'exec' ? 'exec' : 'exit', late: 0 }
  })
}

/** extrace's lines: `1234+ command` at exec, `1234- command exited …` at exit, indented as a tree. */
export function parseExtrace(text: string): Seen[] {
  return [...text.matchAll(/^ *(\d+)([+-]) /gm)].map(([, pid, sign]) => {
    return { pid: Number(pid), type: sign === '+' ? 'exec' : 'exit', late: 0 }
  })
}

/** Lines such as `exec 4711`. */
export function parseBpftrace(text: string): Seen[] {
  return Array.from(text.matchAll(/^(exec|exit) (\d+)$/gm), ([, type, pid]) => {
    return { pid: Number(pid), type: type === 'exec' ? 'exec' : 'exit', late: 0 }
  })
}

/** What was seen but for the processes that were made to get going. */
export function without(warmUp: Iterable<number>, seen: readonly Seen[]): Seen[] {
  const left = { exec: new Map<number, number>(), exit: new Map<number, number>() }
  for (const lives of Object.values(left)) for (const pid of warmUp) lives.set(pid, (lives.get(pid) ?? 0) + 1)
  return seen.filter(({ type, pid }) => {
    const count = left[type].get(pid) ?? 0
    if (count > 0) left[type].set(pid, count - 1)
    return count === 0
  })
}

/** Matches what was seen with the processes that were made. Each life is seen once at most; a pid may have had several. */
export function coverage(made: Uint32Array, seen: readonly Seen[]): Coverage {
  const lives = new Map<number, number>()
  for (const pid of made) lives.set(pid, (lives.get(pid) ?? 0) + 1)
  const unseen = { exec: new Map(lives), exit: lives }
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
