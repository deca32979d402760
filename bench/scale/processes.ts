/** The bootstrap among many processes: time, event loop, memory, and the CPU time while idle afterwards. */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { withChild } from '../child.ts'
import { amid } from '../crowd.ts'
import type { Tools } from '../peers.ts'
import { cost } from '../procfs.ts'
import { spread } from '../statistics.ts'
import type { Part, Row } from './table.ts'

const program = join(import.meta.dirname, '..', 'peers', 'scale', 'processes.mjs')

/** The figures of one bootstrap. */
interface Started {
  /** The time from `initialize` to the last running process, in milliseconds. */
  readonly ms: number
  readonly found: number
  readonly tracked: number
  readonly longestMs: number
  readonly longestCpuMs: number
}

const kinds = { plain: [], 'name, exe, argv': ['name', 'exe', 'argv'] } as const

async function measure(capture: readonly string[], pids: string, idleSeconds: number): Promise<Row['figures']> {
  return withChild(program, async (child) => {
    await child.ask('ready')
    const before = cost(child.pid)
    const started = await child.ask<Started>('start', { capture })
    const peak = cost(child.pid).peak
    await child.ask('collect')
    const after = cost(child.pid)
    await setTimeout(1000 * idleSeconds)
    const idle = cost(child.pid)
    const reported = await child.ask<number>('crowd', { pids })
    await child.ask('stop')
    return {
      'bootstrap ms': started.ms,
      'longest turn ms': started.longestMs,
      'its CPU ms': started.longestCpuMs,
      'bootstrap CPU ms': 1000 * (after.cpu - before.cpu),
      'more MB': after.anonymous - before.anonymous,
      'peak MB': peak,
      'idle CPU ms/s': (1000 * (idle.cpu - after.cpu)) / idleSeconds,
      'idle wake-ups/s': (idle.switches - after.switches) / idleSeconds,
      reported,
    }
  })
}

/** Returns the median of each figure. */
function medians(runs: readonly Row['figures'][]): Row['figures'] {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(names.map((name) => [name, spread(runs.map((run) => run[name] ?? Number.NaN)).median]))
}

export async function amidProcesses(tools: Tools, quick: boolean): Promise<Part> {
  const rows: Row[] = []
  for (const size of quick ? [50, 500] : [500, 5000, 50_000]) {
    await amid(tools, size, async (work, pids) => {
      for (const [name, capture] of Object.entries(kinds)) {
        const runs: Row['figures'][] = []
        for (let repeat = 0; repeat < (quick ? 1 : 3); repeat++) runs.push(await measure(capture, pids, quick ? 1 : 3))
        rows.push({ name, work, figures: medians(runs) })
      }
    })
  }
  return {
    title: 'running processes, reported at the start',
    unit: 'processes',
    rows,
    linear: ['bootstrap ms', 'bootstrap CPU ms', 'more MB'],
    limits: { 'longest turn ms': 10 },
  }
}
