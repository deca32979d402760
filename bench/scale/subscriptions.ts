/** Many subscriptions with filters: the time to add and to remove them, and the CPU time of an event that matches one. */
import { copyFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { withChild } from '../child.ts'
import type { Tools } from '../peers.ts'
import { load } from '../run.ts'
import type { Scenario } from '../scenarios.ts'
import { repeatedly } from '../statistics.ts'
import type { Part, Row } from './table.ts'

const program = join(import.meta.dirname, '..', 'peers', 'scale', 'subscriptions.mjs')

const storm: Scenario = {
  name: 'storm',
  title: 'exec storm',
  mode: 'storm',
  how: 1,
  count: 4000,
  quick: 300,
  hasClock: false,
}

/** The time until the reader thread has applied the calls, and the CPU time of JavaScript's thread. */
interface Timed {
  readonly ms: number
  readonly cpuMs: number
}

async function measure(tools: Tools, kind: string, count: number, quick: boolean): Promise<Row['figures']> {
  return withChild(program, async (child) => {
    await child.ask('start')
    // Compile the code.
    const warm = { kind, count: 100, name: 'no such' }
    for (let round = 0; round < 20; round++) {
      await child.ask('subscribe', warm)
      await child.ask('unsubscribe')
    }
    const empty = await child.objects()
    const subscribed = await child.ask<Timed>('subscribe', { kind, count, name: basename(tools.end) })
    const full = await child.objects()
    await load(tools, storm, true, join(tools.folder, 'pids'))
    await child.ask('counts')
    const before = await child.cpu()
    const first = await child.ask<{ matched: number; others: number }>('counts')
    const { processes } = await load(tools, storm, quick, join(tools.folder, 'pids'))
    const { matched, others } = await child.ask<{ matched: number; others: number }>('counts')
    const after = await child.cpu()
    const unsubscribed = await child.ask<Timed>('unsubscribe')
    await child.ask('stop')
    return {
      'subscribe ms': subscribed.ms,
      'subscribe CPU ms': subscribed.cpuMs,
      'unsubscribe ms': unsubscribed.ms,
      'unsubscribe CPU ms': unsubscribed.cpuMs,
      'JS heap kB each': (1024 * (full - empty)) / count,
      'CPU µs/event': (1e6 * (after - before)) / processes,
      'matched %': (100 * (matched - first.matched)) / processes,
      'wrongly matched': others,
    }
  })
}

export async function withSubscriptions(built: Tools, quick: boolean): Promise<Part> {
  // No other program has this name.
  const tools = { ...built, end: join(built.folder, `pe-${process.pid}`) }
  copyFileSync(built.end, tools.end)
  const rows: Row[] = []
  for (const kind of ['names', 'patterns']) {
    for (const work of quick ? [10, 100] : [10, 100, 1000, 10_000]) {
      const figures = await repeatedly(quick ? 1 : 3, () => measure(tools, kind, work, quick))
      rows.push({ name: kind, work, figures })
    }
  }
  return {
    title: 'subscriptions with filters, one of which matches the load',
    unit: 'subscriptions',
    rows,
    // From some thousand objects on, V8 collects garbage meanwhile. It keeps compiled code for each pattern, and ten thousand
    // exceed the CPU's caches. Both also happen in a program without this package.
    linear: { 'subscribe CPU ms': 2, 'unsubscribe CPU ms': 2, 'CPU µs/event': 3 },
    limits: {},
  }
}
