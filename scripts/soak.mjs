// Runs storms, overflows, starts, stops, terminated worker threads and exiting processes: `npm run soak -- --minutes N`. With
// `--source polling`, it does so without the connector, and with `--without-perf`, without perf events, too. It compares the
// reported processes with the real ones, and memory, threads and descriptors with those at the start. As root, it also runs
// beside a process with unreadable arguments, and beside processes with 1 MB of arguments of another user. The exit code is 1
// if any check failed. The file is long because all loads share the state that the checks compare.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { HungProcess } from '../__test__/support/hung.ts'
import { Load } from '../__test__/support/load.ts'
import { connectorSockets, readers, stuckReads, until } from '../__test__/support/helpers.ts'
import { SubscriberModel } from '../__test__/support/subscriber-model.ts'
import { root } from './toolchain.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)(join(root, 'dist', 'index.js'))
const programs = join(root, '__test__', 'support', 'programs')
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    source: { type: 'string', default: 'netlink' },
    'without-perf': { type: 'boolean' },
  },
})
const duration = Number(values.minutes) * 60_000
if (!(duration > 0)) {
  console.error(`--minutes: expected a number > 0, got '${values.minutes}'`)
  process.exit(64)
}
if (!['netlink', 'polling'].includes(values.source)) {
  console.error(`--source: expected netlink or polling, got '${values.source}'`)
  process.exit(64)
}
/** The options of each start. */
const base = { source: values.source }
/** The rounds that need the connector. */
const NETLINK_ONLY = new Set(['roomy', 'socketOverflow'])

const load = new Load('pe-soak')
if (values['without-perf']) {
  // A process can refuse them only to the programs that it starts.
  const args = process.argv.slice(1).filter((arg) => arg !== '--without-perf')
  const command = [load.path, 'refuse-perf', process.execPath, ...process.execArgv, ...args]
  const { status } = spawnSync(command[0], command.slice(1), { stdio: 'inherit' })
  load.remove()
  process.exit(status ?? 1)
}
// Give the reference back, because each round takes its own.
const monitor = getProcessMonitor()
await monitor.stop()
const total = {
  storms: 0,
  processes: 0,
  events: 0,
  lostSocket: 0,
  lostQueue: 0,
  resyncs: 0,
  starts: 0,
  slowestStopMs: 0,
  slowestRepairMs: 0,
  terminations: 0,
  exits: 0,
  bombs: 0,
  captureTimeouts: 0,
  mostStuckThreads: 0,
}
/** The core's limit of stuck threads. */
const STUCK_MAX = 8
const violations = []
/** Resident memory after each round, in MB. */
const memory = []
const started = performance.now()
const elapsed = () => performance.now() - started

function check(holds, what) {
  if (holds) return
  violations.push(what)
  console.log(`VIOLATION after ${(elapsed() / 1000).toFixed(1)} s: ${what}`)
}

function checkNone(wrong, what) {
  check(wrong.length === 0, `${what}: ${wrong.join('; ')}`)
}

/** Runs `use` between one start and one stop of the monitor, with a model of its events. */
async function monitoring(options, capture, use) {
  getProcessMonitor()
  const model = new SubscriberModel(monitor, capture)
  try {
    await monitor.initialize({ ...base, ...options })
    total.starts++
    await use(model)
    const { events, lostSocket, lostQueue, resync, restart, reinitFailed, processScanFailed, captureTimeouts } =
      monitor.stats()
    total.events += events
    total.lostSocket += lostSocket
    total.lostQueue += lostQueue
    total.resyncs += resync
    total.captureTimeouts += captureTimeouts
    noteStuck(monitor.stats().stuckThreads)
    check(restart + reinitFailed + processScanFailed === 0, 'the source failed')
  } finally {
    model.close()
    await stop()
  }
}

function noteStuck(threads) {
  total.mostStuckThreads = Math.max(total.mostStuckThreads, threads)
  check(threads <= STUCK_MAX, `${threads} threads are stuck`)
}

async function stop() {
  const before = performance.now()
  await monitor.stop()
  const took = performance.now() - before
  total.slowestStopMs = Math.max(total.slowestStopMs, took)
  check(took < 1000, `a stop took ${took} ms`)
}

function noteStorm({ instances }) {
  total.storms++
  total.processes += instances.length
}

async function repaired(model, storm) {
  const took = await model.converges(storm)
  total.slowestRepairMs = Math.max(total.slowestRepairMs, took)
  check(took < 1000, `the model converged only after ${took} ms`)
  checkNone(model.withTwoExits(storm, load.code), 'two exits of one process')
}

/** Runs `use` during an endless storm of short processes. */
async function underStorm(use) {
  const storm = { isOver: false }
  const storms = (async () => {
    while (!storm.isOver) noteStorm(await load.storm({ count: 5000 }).done)
  })()
  try {
    await use()
  } finally {
    storm.isOver = true
    await storms
  }
}

/** Storms without the connector. */
async function withoutConnector(effort, watching) {
  const capture = total.starts % 2 === 0 ? ['name', 'argv'] : []
  await monitoring({ source: 'polling', effort, queueSize: 400_000 }, capture, async (model) => {
    const stats = monitor.stats()
    // A sandbox may refuse perf events.
    check([watching, 'cursor'].includes(stats.watching), `watching ${stats.watching}`)
    for (let storms = 0; storms < 3; storms++) {
      const storm = await load.storm({ count: 3000, stays: 10 }).done
      noteStorm(storm)
      await repaired(model, storm)
      storm.stays.forEach((pid) => load.end(pid))
      await until('the exits are reported', () => !storm.stays.some((pid) => model.running.has(pid)))
      checkNone(model.withoutOneExit(storm.stays), 'not one exit')
    }
  })
}

const rounds = {
  /** With large buffers, nothing is lost and every process has an exec and an exit. */
  async roomy() {
    await monitoring({ receiveBufferSize: 64 << 20, queueSize: 400_000 }, [], async (model) => {
      const storm = await load.storm({ count: 30_000, stays: 5 }).done
      noteStorm(storm)
      await repaired(model, storm)
      const { lostSocket, lostQueue } = monitor.stats()
      check(lostSocket + lostQueue === 0, `${lostSocket} and ${lostQueue} events were lost although there was room`)
      checkNone(model.withoutOneExecAndExit(storm, load.code), 'not one exec and one exit')
      storm.stays.forEach((pid) => load.end(pid))
    })
  },

  /** Without the connector, by the last process id, the model converges as well, and no process has two exits. */
  polling: () => withoutConnector('low', 'cursor'),

  /** The same by perf events, where they can be had. */
  perf: () => withoutConnector('normal', 'perf'),

  /** The receive buffer holds ten events. */
  async socketOverflow() {
    const capture = total.starts % 2 === 0 ? ['name', 'exe', 'argv', 'cwd', 'uid', 'gid', 'cgroup'] : []
    await monitoring({ receiveBufferSize: 4096 }, capture, async (model) => {
      let living = []
      for (let storms = 0; storms < 3; storms++) {
        const { done } = load.storm({ count: 8000, stays: 10 })
        for (const pid of living) {
          load.end(pid)
          await setTimeout(5)
        }
        const storm = await done
        noteStorm(storm)
        await repaired(model, storm)
        checkNone(model.withoutOneExit(living), 'not one exit')
        living = storm.stays
      }
      living.forEach((pid) => load.end(pid))
      await until("what was counted is the kernel's number", () => {
        return monitor.stats().lostSocket === connectorSockets()[0].drops
      })
      await until('the losses were reported', () => model.lost('socket') >= monitor.stats().lostSocket)
      const { lostSocket } = monitor.stats()
      check(model.lost('socket') === lostSocket, `${model.lost('socket')} losses reported, ${lostSocket} counted`)
    })
  },

  /** The queue holds 64 events, and JavaScript is blocked. */
  async queueOverflow() {
    await monitoring({ queueSize: 64 }, [], async (model) => {
      let living = []
      for (let storms = 0; storms < 3; storms++) {
        living.forEach((pid) => load.end(pid))
        const storm = load.stormSync({ count: 8000, stays: 10 })
        noteStorm(storm)
        await repaired(model, storm)
        checkNone(model.withoutOneExit(living), 'not one exit')
        living = storm.stays
      }
      living.forEach((pid) => load.end(pid))
      const { lostQueue } = monitor.stats()
      check(model.lost('queue') === lostQueue, `${model.lost('queue')} losses reported, ${lostQueue} counted`)
    })
  },

  /** The monitor starts and stops at any moment. */
  async restarts() {
    await underStorm(async () => {
      for (let round = 0; round < 20; round++) {
        getProcessMonitor()
        let calls = 0
        monitor.subscribeExec(() => calls++, round % 2 === 0 ? { capture: ['name', 'argv'] } : {})
        monitor.subscribeExit(() => calls++)
        const initialized = monitor.initialize({ ...base, receiveBufferSize: 1 << (round % 20) }).then(
          () => 'initialized',
          ({ code }) => code,
        )
        await setTimeout(round)
        const before = stop()
        const callsBefore = calls
        await before
        check(calls === callsBefore, 'a callback was called after stop()')
        check(['initialized', 'ERR_STOPPED'].includes(await initialized), `initialize: ${await initialized}`)
        total.starts++
      }
    })
  },

  /** Worker threads end at any moment. */
  async terminations() {
    const terminate = async () => {
      for (let round = 0; round < 30; round++) {
        const worker = new Worker(join(programs, 'worker.mjs'), { workerData: base })
        worker.on('message', () => {})
        if (round % 2 === 1) await once(worker, 'message')
        await setTimeout((total.terminations * 7) % 61)
        await worker.terminate()
        total.terminations++
      }
    }
    await underStorm(async () => {
      if (total.terminations % 40 === 0) await terminate()
      else await monitoring({}, [], terminate)
    })
  },

  /** Processes end at any moment. */
  async exits() {
    await underStorm(async () => {
      for (let round = 0; round < 10; round++) {
        const args = [join(programs, 'exit.mjs'), String(total.exits % 50), JSON.stringify(base)]
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 20_000 })
        const [code, signal] = await once(child, 'exit')
        check(code === 3, `process.exit(3) at moment ${total.exits % 50} ended with ${code ?? signal}`)
        total.exits++
      }
    })
  },
}

const left = () => ({
  threads: readdirSync('/proc/self/task').length,
  descriptors: readdirSync('/proc/self/fd').length,
})

/** Returns the number of reader threads, including those of its runtime. */
function nativeThreads() {
  const names = readdirSync('/proc/self/task').map((tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'latin1').trim()
    } catch {
      return 'ended'
    }
  })
  return names.filter((name) => ['proc-events', 'proc-events-pid', 'tokio-rt-worker'].includes(name)).length
}

/**
 * The processes beside the rounds, if this user may start them. `hung` is a promise, so that a starting process is ended,
 * too.
 */
const beside = { hung: undefined, bomber: undefined, isOver: false }

async function bomb() {
  while (!beside.isOver) {
    const { child, done } = load.bomb({ count: 500, nice: 19 })
    beside.bomber = child
    const instances = await done.catch((error) => {
      if (!beside.isOver) check(false, error.message)
      return []
    })
    if (instances.length === 0) return
    total.bombs += instances.length
  }
}

async function endBeside() {
  beside.isOver = true
  beside.bomber?.kill('SIGKILL')
  await releaseHung()
}

async function releaseHung() {
  const { hung } = beside
  beside.hung = undefined
  await (await hung?.catch(() => undefined))?.release()
}

/** Settles with the end of this program after a signal. */
let interruption
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interruption = endBeside().finally(() => {
      load.remove()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    })
  })
}

function line() {
  const seconds = (elapsed() / 1000).toFixed(0).padStart(4)
  const figures = Object.entries(total).map(([name, value]) => `${name} ${Math.round(value)}`)
  console.log(
    `${seconds} s  ${memory.at(-1)?.mb.toFixed(1) ?? '?'} MB (JavaScript's ${memory.at(-1)?.heap.toFixed(1) ?? '?'})  ${figures.join('  ')}`,
  )
}

/** Runs all rounds once, beside a process that hangs. */
async function allRounds(canHang) {
  if (canHang) {
    beside.hung = HungProcess.start()
    await beside.hung.catch((error) => {
      // The end of the soak makes a starting process fail.
      if (!beside.isOver) throw error
    })
  }
  for (const [name, round] of Object.entries(rounds)) {
    if (values.source === 'polling' && NETLINK_ONLY.has(name)) continue
    if (beside.isOver) return
    try {
      await round()
    } catch (error) {
      check(false, `${name}: ${error.stack}`)
    }
    const stuck = stuckReads()
    noteStuck(stuck.length)
    const running = readers() - stuck.filter((read) => read.name === 'proc-events').length
    check(running === 0, `${name} left a native reader`)
    collectGarbage()
    const { rss, heapTotal, external } = process.memoryUsage()
    memory.push({ at: elapsed(), mb: rss / 2 ** 20, heap: (heapTotal + external) / 2 ** 20 })
  }
  await releaseHung()
  await until('no native thread is left', () => nativeThreads() === 0)
}

async function soak() {
  const lines = setInterval(line, 10_000)
  const missing = HungProcess.missing()
  if (missing !== undefined) console.log(`skipped: a process that hangs: ${missing}`)
  const isRoot = process.getuid() === 0
  if (!isRoot) console.log('skipped: processes with 1 MB of arguments: only root may start processes of another user')
  const bombs = isRoot ? bomb() : undefined
  let before
  try {
    while (elapsed() < duration && !beside.isOver) {
      await allRounds(missing === undefined)
      // Compare with the first round, because Node.js starts threads on first use.
      if (before === undefined) before = left()
      // The thread of an abandoned read, and its descriptors, are gone when the read returns.
      await until('nothing is left', () => isDeepStrictEqual(left(), before)).catch(() => {
        check(false, `${JSON.stringify(left())} are left, which were ${JSON.stringify(before)}`)
      })
    }
  } finally {
    clearInterval(lines)
    await endBeside()
    await bombs
    load.remove()
  }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

function checkMemory() {
  const end = elapsed()
  // The memory may grow in the first minute, or in the first half of a short run.
  const grown = Math.min(60_000, end / 2)
  const quarter = (end - grown) / 4
  const between = (from, to) => median(memory.filter(({ at }) => at >= from && at <= to).map(({ mb }) => mb))
  const first = between(grown, grown + quarter)
  const last = between(end - quarter, end)
  if (first === undefined || last === undefined) {
    console.log('resident memory is not compared: the machine is too busy for so short a run')
    return
  }
  console.log(
    `resident memory: ${first.toFixed(1)} MB after ${Math.round(grown / 1000)} s, ${last.toFixed(1)} MB at the end`,
  )
  check(last <= first * 1.1 + 8, 'the resident memory has grown')
}

await soak()
await interruption
checkMemory()
line()
console.log(violations.length === 0 ? 'every invariant held' : `${violations.length} violations`)
process.exitCode = violations.length === 0 ? 0 : 1
