/** The cost of an event between the native part and the callbacks, with a million events from a fake source. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import type * as Api from '../../dist/index.js'

type Monitor = Api.ProcessMonitor
type Records = { exec: (pid: number, options?: object) => number[] }
type Source = { play: (block: Uint32Array, length: number, count: number) => Promise<void> }

const require = createRequire(import.meta.url)
const records = require('../../__test__/support/fake/records.cjs') as Records

/** The number of events per sample, and of samples. */
const EVENTS = 100_000
const SAMPLES = 10
/** The number of different records, which are repeated. */
const BLOCK = 200

const noop = (): void => {}

interface Work {
  readonly name: string
  /** The captured details of the processes. */
  readonly process?: object
  /** The number of callbacks that are called for each event. */
  readonly calls: number
  readonly subscribe: (monitor: Monitor) => Api.Unsubscribe[]
}

const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
/** Subscribes `count` callbacks whose filter never matches. */
const filtered = (count: number, filter: (i: number) => Api.ProcessFilter) => (monitor: Monitor) =>
  many(count, (i) => monitor.subscribeExec(() => {}, filter(i)))

const named = { name: 'short-lived' }
const details = {
  name: 'short-lived',
  ppid: 1000,
  exe: '/usr/local/bin/short-lived',
  argv: ['short-lived', '--option', 'value', '/some/where/a-file.txt'],
  cwd: '/home/user/work',
  uid: 1000,
  gid: 1000,
  cgroup: '/user.slice/user-1000.slice/session-1.scope',
  startTime: 123_456_789,
}
const all = Object.keys(details) as Api.ProcessField[]

const works: readonly Work[] = [
  { name: '1 callback', calls: 1, subscribe: (monitor) => [monitor.subscribeExec(noop)] },
  { name: '10 callbacks', calls: 10, subscribe: (monitor) => many(10, () => monitor.subscribeExec(() => {})) },
  {
    name: '1 callback, name captured',
    process: named,
    calls: 1,
    subscribe: (monitor) => [monitor.subscribeExec(noop, { capture: ['name'] })],
  },
  {
    name: '1 callback, everything captured',
    process: details,
    calls: 1,
    subscribe: (monitor) => [monitor.subscribeExec(noop, { capture: all })],
  },
  ...[1, 10, 100].map((count) => ({
    name: `${count} name filters, none matches`,
    process: named,
    calls: 0,
    subscribe: filtered(count, (i) => ({ name: `other-${i}` })),
  })),
  ...[1, 100].map((count) => ({
    name: `${count} name filters, everything captured, none matches`,
    process: details,
    calls: 0,
    subscribe: filtered(count, (i) => ({ name: `other-${i}` })),
  })),
  ...[1, 100].map((count) => ({
    name: `${count} exe filters, everything captured, none matches`,
    process: details,
    calls: 0,
    subscribe: filtered(count, (i) => ({ exe: `/usr/bin/other-${i}` })),
  })),
  {
    name: '100 name filters, one matches',
    process: named,
    calls: 1,
    subscribe: filtered(100, (i) => ({ name: i === 50 ? 'short-lived' : `other-${i}` })),
  },
  ...[1, 100].map((count) => ({
    name: `${count} patterns of names, none matches`,
    process: named,
    calls: 0,
    subscribe: filtered(count, (i) => ({ name: new RegExp(`^other-${i}$`) })),
  })),
  ...[1, 100].map((count) => ({
    name: `${count} patterns of command lines, none matches`,
    process: details,
    calls: 0,
    subscribe: filtered(count, (i) => ({ commandLine: new RegExp(`--other-${i}`) })),
  })),
]

/** Returns a row for each work: the nanoseconds per event, and per callback. */
export async function facade(quick: boolean): Promise<string[][]> {
  process.env.NAPI_RS_NATIVE_LIBRARY_PATH = join(import.meta.dirname, 'source.cjs')
  const { getProcessMonitor } = require('../../dist/index.js') as typeof Api
  const { play } = require('./source.cjs') as Source
  const monitor = getProcessMonitor()
  await monitor.initialize()
  const events = quick ? EVENTS / 10 : EVENTS
  const rows: string[][] = []
  for (const { name, process, calls, subscribe } of works) {
    const bench = new Bench({ iterations: SAMPLES, time: 0, warmupIterations: 3, warmupTime: 0 })
    const block = many(BLOCK, (i) => records.exec(1000 + i, { process, time: 1_000_000_007 * i }))
    const words = Uint32Array.from(block.flat())
    const ends = subscribe(monitor)
    bench.add(name, () => play(words, words.length / BLOCK, events))
    const [task] = await bench.run()
    for (const end of ends) end()
    if (task?.result.state !== 'completed') throw new Error(`${name}: ${String(task?.result.state)}`)
    const each = (1e6 * task.result.latency.p50) / events
    rows.push([name, each.toFixed(0), calls > 0 ? (each / calls).toFixed(0) : ''])
  }
  await monitor.stop()
  return rows
}
