/** Many worker threads that share one reader: CPU time and memory for each, time to start and to stop, threads. */
import { join } from 'node:path'
import { withChild } from '../child.ts'
import type { Tools } from '../peers.ts'
import { cost } from '../procfs.ts'
import { load } from '../run.ts'
import type { Scenario } from '../scenarios.ts'
import type { Part, Row } from './table.ts'

const program = join(import.meta.dirname, '..', 'peers', 'scale', 'workers.mjs')
/** The name of the thread that reads the kernel's events. */
const READER = 'proc-events'

const storm: Scenario = {
  name: 'storm',
  title: 'exec storm',
  mode: 'storm',
  how: 1,
  count: 10_000,
  quick: 300,
  hasClock: false,
}
const paced: Scenario = { ...storm, name: 'paced', mode: 'paced', how: 200, count: 600, quick: 50 }

async function measure(tools: Tools, count: number, quick: boolean): Promise<Row['figures']> {
  const pids = join(tools.folder, 'pids')
  return withChild(program, async (child) => {
    const threads = (): Promise<string[]> => child.ask('threads')
    /** Returns the CPU time of an event in each worker, in microseconds. */
    const underLoad = async (scenario: Scenario): Promise<{ each: number; made: number }> => {
      await child.ask('counts')
      const before = cost(child.pid).cpu
      const { processes } = await load(tools, scenario, quick, pids)
      await child.ask('counts')
      return { each: (1e6 * (cost(child.pid).cpu - before)) / (2 * processes), made: processes }
    }
    await child.ask('boot', { count })
    const before = { ...cost(child.pid), threads: await threads() }
    const startMs = await child.ask<number>('start')
    const during = { ...cost(child.pid), threads: await threads() }
    const warmUp = await underLoad({ ...storm, count: 2000 })
    const burst = await underLoad(storm)
    const steady = await underLoad(paced)
    const counts = await child.ask<{ exec: number; exit: number }[]>('counts')
    const made = warmUp.made + burst.made + steady.made
    const stopMs = await child.ask<number>('stop')
    const after = await threads()
    await child.ask('end')
    return {
      'start ms': startMs,
      'stop ms': stopMs,
      'more MB': during.anonymous - before.anonymous,
      'storm: CPU µs/event': burst.each,
      'and worker': burst.each / count,
      '200/s: CPU µs/event': steady.each,
      ' and worker': steady.each / count,
      'complete workers': counts.filter(({ exec, exit }) => exec >= made && exit >= made).length,
      'more threads': during.threads.length - before.threads.length,
      readers: during.threads.filter((name) => name === READER).length,
      'readers afterwards': after.filter((name) => name === READER).length,
    }
  })
}

export async function inWorkers(tools: Tools, quick: boolean): Promise<Part> {
  const rows: Row[] = []
  for (const work of quick ? [1, 4] : [1, 8, 64]) {
    rows.push({ name: 'exec and exit', work, figures: await measure(tools, work, quick) })
  }
  return {
    title: 'worker threads that share the reader',
    unit: 'workers',
    rows,
    linear: ['start ms', 'stop ms', 'more MB', 'storm: CPU µs/event', '200/s: CPU µs/event'],
    limits: { readers: 1, 'readers afterwards': 0 },
  }
}
