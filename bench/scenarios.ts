/** The loads that observers are held against. */
import { setTimeout } from 'node:timers/promises'

export interface Scenario {
  readonly name: string
  readonly title: string
  /** What is asked of the load generator, but for the paths. */
  readonly mode: 'storm' | 'paced' | 'threads' | 'forks' | 'comms' | 'mixed'
  /** Spawners, or processes a second. */
  readonly how: number
  /** Processes, or threads and the like; fewer in a quick run. */
  readonly count: number
  readonly quick: number
  /** Whether observers look at the clock for each event. */
  readonly hasClock: boolean
  /** What happens to the observer meanwhile. */
  readonly meanwhile?: (pid: number) => Promise<void>
}

/** Every load ends by then, in seconds. */
export const bound = 30

const unmeasured = { title: 'getting going', hasClock: false }

/** What every observer has seen before anything is measured: many events at once, and some one by one. */
export const warmUps: readonly Scenario[] = [
  { ...unmeasured, name: 'warm-up-storm', mode: 'storm', how: 2, count: 12_000, quick: 500 },
  { ...unmeasured, name: 'warm-up-paced', mode: 'paced', how: 1000, count: 2000, quick: 100 },
]

export const scenarios: readonly Scenario[] = [
  {
    name: 'storm-1',
    title: 'exec storm, one spawner at full speed',
    mode: 'storm',
    how: 1,
    count: 20_000,
    quick: 2000,
    hasClock: false,
  },
  {
    name: 'storm-2',
    title: 'exec storm, two spawners at full speed',
    mode: 'storm',
    how: 2,
    count: 30_000,
    quick: 2000,
    hasClock: false,
  },
  {
    name: 'paced',
    title: '1,000 processes a second',
    mode: 'paced',
    how: 1000,
    count: 4000,
    quick: 500,
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
