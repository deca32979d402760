/** Many subscriptions with filters: the time to add and to remove them, and the CPU time of an event that matches one. */
import { join } from 'node:path'
import { basename } from 'node:path/posix'
import { withChild } from '../child.ts'
import type { Tools } from '../peers.ts'
import { cost } from '../procfs.ts'
import { load } from '../run.ts'
import type { Scenario } from '../scenarios.ts'
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

/** Milliseconds: of the calls, and until the reader thread has applied them; the longest turn of the event loop meanwhile. */
interface Timed {
  readonly ms: number
  readonly appliedMs: number
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
    await child.ask('collect')
    const empty = cost(child.pid)
    const subscribed = await child.ask<Timed>('subscribe', { kind, count, name: basename(tools.end) })
    await child.ask('collect')
    const full = cost(child.pid)
    await load(tools, storm, true, join(tools.folder, 'pids'))
    await child.ask('counts')
    const before = cost(child.pid)
    const first = await child.ask<{ matched: number; others: number }>('counts')
    const { processes } = await load(tools, storm, quick, join(tools.folder, 'pids'))
    const { matched, others } = await child.ask<{ matched: number; others: number }>('counts')
    const after = cost(child.pid)
    const unsubscribed = await child.ask<Timed>('unsubscribe')
    await child.ask('stop')
    return {
      'subscribe ms': subscribed.appliedMs,
      'unsubscribe ms': unsubscribed.appliedMs,
      'more MB': full.anonymous - empty.anonymous,
      'CPU µs/event': (1e6 * (after.cpu - before.cpu)) / processes,
      'matched %': (100 * (matched - first.matched)) / processes,
      'wrongly matched': others,
    }
  })
}

export async function withSubscriptions(tools: Tools, quick: boolean): Promise<Part> {
  const rows: Row[] = []
  for (const name of ['names', 'patterns']) {
    for (const work of quick ? [10, 100] : [10, 100, 1000, 10_000]) {
      rows.push({ name, work, figures: await measure(tools, name, work, quick) })
    }
  }
  return {
    title: 'subscriptions with filters, one of which matches the load',
    unit: 'subscriptions',
    rows,
    linear: ['subscribe ms', 'unsubscribe ms', 'more MB', 'CPU µs/event'],
    limits: {},
  }
}
