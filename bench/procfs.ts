/** The cost of an observer from /proc, over its whole process tree with all threads. */
import { readFileSync, readdirSync } from 'node:fs'

/** The cost since the start of each process. */
export interface Cost {
  /** CPU time in seconds. */
  readonly cpu: number
  /** Voluntary and involuntary context switches. Each wake-up ends one of them. */
  readonly switches: number
  /** Resident memory in MB, and its part that no file backs. */
  readonly resident: number
  readonly anonymous: number
  /** The most resident memory so far, in MB. */
  readonly peak: number
}

/** The ticks of all CPUs. */
export interface Ticks {
  readonly total: number
  readonly steal: number
}

/** `schedstat` begins with the CPU time in nanoseconds. `stat` has hundredths of a second, too coarse for short runs. */
export function parseSchedstat(text: string): number {
  return Number.parseInt(text, 10) / 1e9
}

export function parseStatus(text: string): Pick<Cost, 'switches' | 'resident' | 'anonymous' | 'peak'> {
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return {
    switches: field('voluntary_ctxt_switches') + field('nonvoluntary_ctxt_switches'),
    resident: field('VmRSS') / 1024,
    anonymous: field('RssAnon') / 1024,
    peak: field('VmHWM') / 1024,
  }
}

/** Reads the first line of /proc/stat: user nice system idle iowait irq softirq steal. Guest times are part of user. */
export function parseTicks(text: string): Ticks {
  const counts = /^cpu +([\d ]+)/.exec(text)?.[1]?.split(' ').slice(0, 8).map(Number) ?? []
  return { total: counts.reduce((sum, count) => sum + count, 0), steal: counts[7] ?? 0 }
}

export function ticks(): Ticks {
  return parseTicks(readFileSync('/proc/stat', 'utf8'))
}

/** Returns undefined if the process has exited. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`)
  } catch {
    return []
  }
}

/** Returns the cost of a process and its descendants. */
export function cost(pid: number): Cost {
  const own = threads(pid).map((thread) => ({
    cpu: parseSchedstat(read(`${thread}/schedstat`) ?? '0'),
    switches: parseStatus(read(`${thread}/status`) ?? '').switches,
    children: (read(`${thread}/children`) ?? '').split(' ').filter(Boolean),
  }))
  const others = own.flatMap(({ children }) => children).map((child) => cost(Number(child)))
  const sum = (of: (part: { cpu: number; switches: number }) => number): number =>
    [...own, ...others].reduce((before, part) => before + of(part), 0)
  const { resident, anonymous, peak } = parseStatus(read(`/proc/${pid}/status`) ?? '')
  return {
    cpu: sum((part) => part.cpu),
    switches: sum((part) => part.switches),
    resident: others.reduce((before, part) => before + part.resident, resident),
    anonymous: others.reduce((before, part) => before + part.anonymous, anonymous),
    peak: others.reduce((before, part) => before + part.peak, peak),
  }
}

/** Returns the CPU time of one thread in seconds. */
export function threadCpu(pid: number, tid: number): number {
  return parseSchedstat(read(`/proc/${pid}/task/${tid}/schedstat`) ?? '0')
}
