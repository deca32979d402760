// Storms, overflows, stops, starts, terminated worker threads and ended processes, for as long as is asked for:
// `npm run soak -- --minutes N`. All along it holds what is told against the truth, and the memory, the threads and the
// descriptors against what they were. All along, too, root has beside it a process whose arguments cannot be read, and
// another user that starts processes with 1 MB of arguments. Its exit code is 1 if anything was not as it should be.

import { spawn } from 'node:child_process'
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

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' } } })
const duration = Number(values.minutes) * 60_000
if (!(duration > 0)) {
  console.error('--minutes takes a number above 0')
  process.exit(64)
}

const load = new Load('pe-soak')
// The reference is given back: each round takes its own.
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
/** Threads that are stuck at most, as the core bounds them. */
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

/** One start and one stop of the monitor, with a view of what it tells. */
async function monitoring(options, capture, use) {
  getProcessMonitor()
  const model = new SubscriberModel(monitor, capture)
  try {
    await monitor.initialize(options)
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

function noteStorm({ lives }) {
  total.storms++
  total.processes += lives.length
}

async function repaired(model, storm) {
  const took = await model.becomesTrue(storm)
  total.slowestRepairMs = Math.max(total.slowestRepairMs, took)
  check(took < 1000, `what was told became true after ${took} ms only`)
  checkNone(model.endedTwice(storm, load.code), 'two exits in one life')
}

/** Runs while processes come and go as fast as they can. */
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

const rounds = {
  /** Nothing is lost: every life is told whole. */
  async roomy() {
    await monitoring({ receiveBufferSize: 64 << 20, queueSize: 400_000 }, [], async (model) => {
      const storm = await load.storm({ count: 30_000, stays: 5 }).done
      noteStorm(storm)
      await repaired(model, storm)
      const { lostSocket, lostQueue } = monitor.stats()
      check(lostSocket + lostQueue === 0, `${lostSocket} and ${lostQueue} events were lost although there was room`)
      checkNone(model.notPaired(storm, load.code), 'not told exec, exit')
      storm.stays.forEach((pid) => load.end(pid))
    })
  },

  /** The kernel has room for ten events. */
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
        checkNone(model.notEndedOnce(living), 'not one exit')
        living = storm.stays
      }
      living.forEach((pid) => load.end(pid))
      await until("what was counted is the kernel's number", () => {
        return monitor.stats().lostSocket === connectorSockets()[0].drops
      })
      await until('the losses were told', () => model.lost('socket') >= monitor.stats().lostSocket)
      const { lostSocket } = monitor.stats()
      check(model.lost('socket') === lostSocket, `${model.lost('socket')} losses told, ${lostSocket} counted`)
    })
  },

  /** JavaScript has room for 64 events, and is blocked. */
  async queueOverflow() {
    await monitoring({ queueSize: 64 }, [], async (model) => {
      let living = []
      for (let storms = 0; storms < 3; storms++) {
        living.forEach((pid) => load.end(pid))
        const storm = load.stormSync({ count: 8000, stays: 10 })
        noteStorm(storm)
        await repaired(model, storm)
        checkNone(model.notEndedOnce(living), 'not one exit')
        living = storm.stays
      }
      living.forEach((pid) => load.end(pid))
      const { lostQueue } = monitor.stats()
      check(model.lost('queue') === lostQueue, `${model.lost('queue')} losses told, ${lostQueue} counted`)
    })
  },

  /** Starts and stops at any moment. */
  async restarts() {
    await underStorm(async () => {
      for (let round = 0; round < 20; round++) {
        getProcessMonitor()
        let calls = 0
        monitor.subscribeExec(() => calls++, round % 2 === 0 ? { capture: ['name', 'argv'] } : {})
        monitor.subscribeExit(() => calls++)
        const initialized = monitor.initialize({ receiveBufferSize: 1 << (round % 20) }).then(
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
        const worker = new Worker(join(programs, 'worker.mjs'))
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
        const args = [join(programs, 'exit.mjs'), String(total.exits % 50)]
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

/** The reader's threads, and those that it started under its own name or its runtime's. */
function nativeThreads() {
  const names = readdirSync('/proc/self/task').map((tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'latin1').trim()
    } catch {
      return 'ended'
    }
  })
  return names.filter((name) => name === 'proc-events' || name === 'tokio-rt-worker').length
}

/**
 * The companions of the rounds: none, where this user may not have it. `hung` is a promise, so that one that is just
 * starting is ended, too.
 */
const beside = { hung: undefined, bomber: undefined, isOver: false }

async function bomb() {
  while (!beside.isOver) {
    const { child, done } = load.bomb({ count: 500, nice: 19 })
    beside.bomber = child
    const lives = await done.catch((error) => {
      if (!beside.isOver) check(false, error.message)
      return []
    })
    if (lives.length === 0) return
    total.bombs += lives.length
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

/** Settles with the end of this program, once a signal has asked for that. */
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

/** All rounds once, beside a process that hangs. */
async function allRounds(canHang) {
  if (canHang) {
    beside.hung = HungProcess.start()
    await beside.hung.catch((error) => {
      // One that is ended while it starts has failed to.
      if (!beside.isOver) throw error
    })
  }
  for (const [name, round] of Object.entries(rounds)) {
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
  if (missing !== undefined) console.log(`without a process that hangs: ${missing}`)
  const isRoot = process.getuid() === 0
  if (!isRoot) console.log('without 1 MB of arguments: only root may start processes of another user')
  const bombs = isRoot ? bomb() : undefined
  let before
  try {
    while (elapsed() < duration && !beside.isOver) {
      await allRounds(missing === undefined)
      // What Node.js itself starts when it is first needed is not counted.
      if (before === undefined) before = left()
      // A read that took too long was abandoned. Its thread, and what that holds open, go when the read returns.
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
  // The first minute, or as much of a shorter run, is for growing.
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
