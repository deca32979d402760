/** The bootstrap among many processes: time, event loop, memory, and the CPU time while idle afterwards. */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { withChild } from '../child.ts'
import { amid } from '../crowd.ts'
import type { Tools } from '../peers.ts'
import { cost } from '../procfs.ts'
import { repeatedly } from '../statistics.ts'
import { NOISE, type Part, type Row } from './table.ts'

const program = join(import.meta.dirname, '..', 'peers', 'scale', 'processes.mjs')

/** The figures of one bootstrap. */
interface Started {
  /** The time from `initialize` to the last running process, in milliseconds. */
  readonly ms: number
  /** The longest turn of the event loop, and the longest one without the time in which the thread waited for a CPU. */
  readonly longestMs: number
  readonly longestOwnMs: number
}

const kinds = { plain: [], 'name, exe, argv': ['name', 'exe', 'argv'] } as const

async function measure(capture: readonly string[], pids: string, idleSeconds: number): Promise<Row['figures']> {
  return withChild(program, async (child) => {
    const [memory, cpu] = [await child.memory(), await child.cpu()]
    const started = await child.ask<Started>('start', { capture })
    const startedCpu = await child.cpu()
    const { peak } = cost(child.pid)
    const after = await child.memory()
    const [before, events] = [cost(child.pid), await child.ask<number>('events')]
    await setTimeout(1000 * idleSeconds)
    const idle = cost(child.pid)
    const idleEvents = (await child.ask<number>('events')) - events
    const reported = await child.ask<number>('crowd', { pids })
    await child.ask('stop')
    return {
      'bootstrap ms': started.ms,
      'CPU ms': 1000 * (startedCpu - cpu),
      'longest turn ms': started.longestMs,
      'without waiting for a CPU': started.longestOwnMs,
      'more MB': after - memory,
      'peak MB': peak,
      'idle CPU ms/s': (1000 * (idle.cpu - before.cpu)) / idleSeconds,
      'idle wake-ups/s': (idle.switches - before.switches) / idleSeconds,
      'events/s': idleEvents / idleSeconds,
      reported,
    }
  })
}

export async function amidProcesses(tools: Tools, quick: boolean): Promise<Part> {
  const rows: Row[] = []
  for (const size of quick ? [50, 500] : [500, 5000, 50_000]) {
    await amid(tools, size, async (work, pids) => {
      for (const [name, capture] of Object.entries(kinds)) {
        const figures = await repeatedly(quick ? 1 : 3, () => measure(capture, pids, quick ? 1 : 3))
        rows.push({ name, work, figures })
      }
    })
  }
  return {
    title: 'running processes, reported at the start',
    unit: 'processes',
    rows,
    linear: { 'bootstrap ms': NOISE, 'CPU ms': NOISE, 'more MB': NOISE },
    limits: { 'without waiting for a CPU': 10 },
  }
}
