/** Many worker threads that share one reader: CPU time and memory for each, time to start and to stop, threads. */
import { join } from 'node:path'
import { withChild } from '../child.ts'
import type { Tools } from '../peers.ts'
import { load } from '../run.ts'
import type { Scenario } from '../scenarios.ts'
import { repeatedly } from '../statistics.ts'
import { NOISE, type Part, type Row } from './table.ts'

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
      const before = await child.cpu()
      const { processes } = await load(tools, scenario, quick, pids)
      await child.ask('counts')
      return { each: (1e6 * ((await child.cpu()) - before)) / (2 * processes), made: processes }
    }
    await child.ask('boot', { count })
    const before = { memory: await child.memory(), threads: await threads() }
    /** Returns the time, and the CPU time in all threads, in milliseconds. */
    const timed = async (request: string): Promise<{ ms: number; cpuMs: number }> => {
      const cpu = await child.cpu()
      const ms = await child.ask<number>(request)
      return { ms, cpuMs: 1000 * ((await child.cpu()) - cpu) }
    }
    const started = await timed('start')
    const during = { memory: await child.memory(), threads: await threads() }
    const warmUp = await underLoad({ ...storm, count: 2000 })
    const burst = await underLoad(storm)
    const steady = await underLoad(paced)
    const counts = await child.ask<{ exec: number; exit: number }[]>('counts')
    const made = warmUp.made + burst.made + steady.made
    const stopped = await timed('stop')
    const after = await threads()
    await child.ask('end')
    return {
      'start ms': started.ms,
      'start CPU ms': started.cpuMs,
      'stop ms': stopped.ms,
      'stop CPU ms': stopped.cpuMs,
      'more MB': during.memory - before.memory,
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
    rows.push({
      name: 'exec and exit',
      work,
      figures: await repeatedly(quick ? 1 : 3, () => measure(tools, work, quick)),
    })
  }
  return {
    title: 'worker threads that share the reader',
    unit: 'workers',
    rows,
    linear: {
      'start CPU ms': NOISE,
      'stop CPU ms': NOISE,
      // V8 reserves memory for each thread in large steps.
      'more MB': 2,
      'storm: CPU µs/event': NOISE,
      '200/s: CPU µs/event': NOISE,
    },
    limits: { readers: 1, 'readers afterwards': 0 },
  }
}
