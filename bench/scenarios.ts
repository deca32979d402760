/** The loads. */
import { setTimeout } from 'node:timers/promises'

export interface Scenario {
  readonly name: string
  readonly title: string
  /** The mode of the load generator. */
  readonly mode: 'storm' | 'paced' | 'threads' | 'forks' | 'comms' | 'mixed'
  /** The number of spawners, or of processes per second. */
  readonly how: number
  /** The program of the processes: `end` (the default) exits at once. */
  readonly program?: 'end' | 'nap'
  /** The number of processes, or of threads and the like. */
  readonly count: number
  /** The same in a quick run. */
  readonly quick: number
  /** True if observers record the latency of each event. */
  readonly hasClock: boolean
  /** True: the load is also measured after the short warm-up. */
  readonly showsFirstSeconds?: boolean
  /** An action on the observer during the load. */
  readonly meanwhile?: (pid: number) => Promise<void>
}

/** The time limit of every load, in seconds. */
export const bound = 30

const unmeasured = { title: 'warm-up', hasClock: false }

/** The state of an observer at the begin of a measurement. Just-in-time compilers still work in the first seconds. */
export type WarmUp = 'short' | 'long'

/**
 * The loads before a measurement: many events at once, and some one by one. The long warm-up follows the measurement after
 * the short one, if there is one. It lasts longer than eight seconds, because V8 shrinks the heap of a program that has become
 * calm about eight seconds after its start, once.
 */
export const warmUps: Readonly<Record<WarmUp, readonly Scenario[]>> = {
  short: [{ ...unmeasured, name: 'first', mode: 'storm', how: 1, count: 100, quick: 50 }],
  long: [
    { ...unmeasured, name: 'warm-up-storm', mode: 'storm', how: 2, count: 12_000, quick: 500 },
    { ...unmeasured, name: 'warm-up-paced', mode: 'paced', how: 1000, count: 10_000, quick: 100 },
  ],
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'storm-1',
    title: 'exec storm, one spawner at full speed',
    mode: 'storm',
    how: 1,
    count: 20_000,
    quick: 2000,
    showsFirstSeconds: true,
    hasClock: false,
  },
  {
    name: 'storm-2',
    title: 'exec storm, two spawners at full speed',
    mode: 'storm',
    how: 2,
    count: 30_000,
    quick: 2000,
    showsFirstSeconds: true,
    hasClock: false,
  },
  {
    name: 'paced',
    title: '1,000 processes a second',
    mode: 'paced',
    how: 1000,
    count: 4000,
    quick: 500,
    showsFirstSeconds: true,
    hasClock: true,
  },
  {
    // An observer sleeps between the exec and the exit of such a process, as it does with nearly all programs.
    name: 'lives',
    title: '1,000 processes a second that live a third of a millisecond',
    mode: 'paced',
    program: 'nap',
    how: 1000,
    count: 4000,
    quick: 500,
    showsFirstSeconds: true,
    hasClock: true,
  },
  { name: 'single', title: '20 processes a second', mode: 'paced', how: 20, count: 60, quick: 10, hasClock: true },
  {
    name: 'threads',
    title: '200,000 threads, and 100 processes a second',
    mode: 'threads',
    how: 100,
    count: 200_000,
    quick: 20_000,
    hasClock: false,
  },
  {
    name: 'forks',
    title: '60,000 forks without an exec, and 100 processes a second',
    mode: 'forks',
    how: 100,
    count: 60_000,
    quick: 5000,
    hasClock: false,
  },
  {
    name: 'comms',
    title: '2,000,000 new names of a thread, and 100 processes a second',
    mode: 'comms',
    how: 100,
    count: 2_000_000,
    quick: 100_000,
    hasClock: false,
  },
  {
    name: 'mixed',
    title: '150,000 threads, forks and new names in turns, and 100 processes a second',
    mode: 'mixed',
    how: 100,
    count: 150_000,
    quick: 15_000,
    hasClock: false,
  },
  {
    name: 'stopped',
    title: '1,000 processes a second, the observer stopped for one second',
    mode: 'paced',
    how: 1000,
    count: 3000,
    quick: 2500,
    hasClock: false,
    async meanwhile(pid) {
      await setTimeout(700)
      process.kill(pid, 'SIGSTOP')
      await setTimeout(1000)
      process.kill(pid, 'SIGCONT')
    },
  },
]
