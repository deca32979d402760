/** Costs of a reader that several threads share, whose source is reopened, and on CPUs that go and come back. */
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { type ExitEvent, getProcessMonitor } from '../../dist/index.js'
import { checkedCosts, compiled, costsAreCertain, costsProgram, shortOnes } from '../support/costs.ts'
import { has, skipped } from '../support/load.ts'
import { atMost, run, until } from '../support/helpers.ts'

const workerFile = join(import.meta.dirname, '..', 'support', 'programs', 'usage-worker.mjs')

/** Runs a storm of so many processes. */
async function storm(path: string, count: number): Promise<void> {
  const child = spawn(path, ['storm', String(count), '2'], { stdio: 'ignore' })
  const [status] = (await once(child, 'exit')) as [number]
  if (status !== 0) throw new Error(`the storm ended with ${status}`)
}

class Subscriber {
  readonly exits: ExitEvent[] = []
  readonly #worker: Worker
  readonly #said = new Set<unknown>()

  constructor(hasUsage: boolean) {
    this.#worker = new Worker(workerFile, { workerData: { hasUsage } })
    this.#worker.on('message', (message) => {
      if (typeof message === 'string') this.#said.add(message)
      else this.exits.push(message)
    })
  }

  ready(): Promise<void> {
    return until('the worker is ready', () => this.#said.has('ready'))
  }

  async stop(): Promise<void> {
    this.#worker.postMessage('end')
    await until('the worker has stopped', () => this.#said.has('stopped'))
    await this.#worker.terminate()
  }
}

/** Resolves when a process has a cost in each of these lists, and then all costs are known. */
async function costsArrive(...lists: readonly (readonly ExitEvent[])[]): Promise<void> {
  const lengths = lists.map(({ length }) => length)
  const hasCost = (list: readonly ExitEvent[], index: number): boolean =>
    list.slice(lengths[index]).some(({ usage }) => usage)
  await until('a process has a cost', async () => {
    await run('/bin/true')
    return lists.every(hasCost)
  })
  await costsAreCertain()
}

test.serial('each thread gets the costs that it asks for, as long as it does', async (t) => {
  const path = await costsProgram(t)
  if (path === null) return
  const monitor = getProcessMonitor()
  const exits: ExitEvent[] = []
  const [costly, plain] = [new Subscriber(true), new Subscriber(false)]
  monitor.subscribeExit((_, event) => void exits.push(event), { ancestor: process.pid, capture: ['usage'] })
  try {
    await Promise.all([costly.ready(), plain.ready(), monitor.initialize()])
    await costsArrive(exits, costly.exits)
    await storm(path, 1000)
    await until('each has each exit', () => {
      return [exits, costly.exits, plain.exits].every((list) => shortOnes(list).length === 1000)
    })
    const [own, its] = [exits, costly.exits].map(shortOnes) as [ExitEvent[], ExitEvent[]]
    t.deepEqual(checkedCosts(own), { matched: 1000, wrong: [] })
    t.deepEqual(
      its.map(({ pid, usage }) => [pid, usage]),
      own.map(({ pid, usage }) => [pid, usage]),
    )
    t.false(plain.exits.some((event) => 'usage' in event))
    // The others go on after one has left.
    await monitor.stop()
    const before = costly.exits.length
    await costsArrive(costly.exits)
    await storm(path, 200)
    await until('the worker has each exit', () => shortOnes(costly.exits.slice(before)).length === 200)
    t.deepEqual(checkedCosts(shortOnes(costly.exits.slice(before))), { matched: 200, wrong: [] })
    await costly.stop()
    t.false(plain.exits.some((event) => 'usage' in event))
  } finally {
    await Promise.all([monitor.stop(), plain.stop()])
  }
})

test.serial('costs go on after the monitor is stopped and started again', async (t) => {
  const path = await costsProgram(t)
  if (path === null) return
  const monitor = getProcessMonitor()
  for (let round = 0; round < 3; round++) {
    const exits: ExitEvent[] = []
    const end = monitor.subscribeExit((_, event) => void exits.push(event), {
      ancestor: process.pid,
      capture: ['usage'],
    })
    try {
      await monitor.initialize()
      await costsArrive(exits)
      await storm(path, 300)
      await until('each exit is reported', () => shortOnes(exits).length === 300)
      t.deepEqual(checkedCosts(shortOnes(exits)), { matched: 300, wrong: [] })
    } finally {
      end()
      await monitor.stop()
    }
  }
})

test.serial('costs go on after the source is reopened', async (t) => {
  t.timeout(atMost(120_000))
  const path = await costsProgram(t)
  if (path === null) return
  const hush = compiled(t, 'pe-hush', join(import.meta.dirname, '..', '..', 'bench', 'hush.c'))
  const monitor = getProcessMonitor()
  const exits: ExitEvent[] = []
  const restarted = new Promise<void>((resolve) => void monitor.on('restart', () => resolve()))
  monitor.subscribeExit((_, event) => void exits.push(event), { ancestor: process.pid, capture: ['usage'] })
  try {
    await monitor.initialize()
    await costsArrive(exits)
    const isReported = async (): Promise<boolean> => {
      const child = spawn('/bin/true')
      await once(child, 'exit')
      const has = (): boolean => exits.some(({ pid }) => pid === child.pid)
      for (let waited = 0; waited < atMost(500) && !has(); waited += 50) await setTimeout(50)
      return has()
    }
    // The kernel reports nothing from here on. Before Linux 6.6 it counts the listeners of all programs, and also those that were
    // killed. The reader notices the silence after ten to twenty seconds.
    let tries = 0
    do t.is(spawnSync(hush, [String(process.pid)], { stdio: 'inherit' }).status, 0)
    while ((await isReported()) && ++tries < 20)
    await storm(path, 100)
    await restarted
    await costsArrive(exits)
    await costsAreCertain('loss')
    exits.length = 0
    await storm(path, 1000)
    await until('each exit is reported', () => shortOnes(exits).length === 1000)
    t.deepEqual(checkedCosts(shortOnes(exits)), { matched: 1000, wrong: [] })
    t.is(monitor.stats().source, 'netlink')
  } finally {
    await monitor.stop()
  }
})

const ONLINE = '/sys/devices/system/cpu/cpu1/online'

test.serial('costs are known of processes on a CPU that was gone, and while it is gone', async (t) => {
  const path = await costsProgram(t)
  if (path === null || !has(t, 'taskset')) return
  try {
    accessSync(ONLINE, constants.W_OK)
  } catch {
    return void skipped(t, 'CPU 1 cannot be taken offline')
  }
  const monitor = getProcessMonitor()
  const exits: ExitEvent[] = []
  monitor.subscribeExit((_, event) => void exits.push(event), { ancestor: process.pid, capture: ['usage'] })
  try {
    await monitor.initialize()
    await costsArrive(exits)
    const { usageLost } = monitor.stats()
    // The shell brings the CPU back, even if this process is killed.
    const script = `echo 0 > ${ONLINE} || exit 9; "$0" storm 100 2; code=$?; echo 1 > ${ONLINE}
      [ $code = 0 ] && exec taskset -c 1 "$0" storm 100 2`
    const child = spawn('sh', ['-c', script, path], { stdio: ['ignore', 'ignore', 'inherit'] })
    const [status] = (await once(child, 'exit')) as [number]
    if (status === 9) return void skipped(t, 'CPU 1 cannot be taken offline')
    t.is(status, 0)
    await until('each exit is reported', () => shortOnes(exits).length === 200)
    t.deepEqual(checkedCosts(shortOnes(exits)), { matched: 200, wrong: [] })
    t.is(monitor.stats().usageLost, usageLost)
  } finally {
    await monitor.stop()
  }
})
