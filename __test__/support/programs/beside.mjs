// Runs one action beside a process that hangs, with a monitor that captures arguments. Prints the outcome as JSON.
// Arguments: the action, the pid of the process that hangs, and options of `initialize` as JSON. It ends by itself,
// because the test limits its time.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { stuckReads } from '../helpers.ts'

const { findDeletedProcesses, getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [thing, hungText, optionsText = '{}'] = isMainThread ? process.argv.slice(2) : workerData
const hung = Number(hungText)
const options = JSON.parse(optionsText)
const monitor = getProcessMonitor()
const say = (line) => process.stdout.write(`${line}\n`)
const input = isMainThread ? createInterface({ input: process.stdin })[Symbol.asyncIterator]() : undefined

async function until(holds) {
  while (!holds()) await setTimeout(5)
}

/** Each reported exec by pid: its origin and its captured details. */
const execs = new Map()
const noteExec = (pid, { origin, process: details }) => execs.set(pid, { origin, ...details })
const capture = ['argv', 'exe', 'cwd', 'uid']
const subscribe = (more = {}) => monitor.subscribeExec(noteExec, { capture, ...more })

/** Runs a program until it is reported, so that its arguments can always be read. */
async function argvOfLive() {
  const child = spawn('/bin/cat', ['-u'], { stdio: ['pipe', 'ignore', 'ignore'] })
  await until(() => execs.has(child.pid))
  child.stdin.end()
  await once(child, 'exit')
  return execs.get(child.pid).argv
}

const cmdline = `/proc/${hung}/cmdline`

const seenOfHung = () => {
  const { origin, argv, exe, cwd } = execs.get(hung) ?? {}
  return { origin, argv, exe, cwd }
}

const things = {
  async initialize() {
    subscribe()
    await monitor.initialize(options)
    return { hung: seenOfHung(), live: await argvOfLive(), timeouts: monitor.stats().captureTimeouts }
  },

  /** Stops while the bootstrap scan reads the process that hangs. */
  async stop() {
    subscribe()
    const initialized = monitor.initialize(options).catch(({ code }) => code)
    await setTimeout(20)
    await monitor.stop()
    return { initialized: (await initialized) ?? 'initialized', source: monitor.stats().source }
  },

  async late() {
    await monitor.initialize(options)
    subscribe({ replay: true })
    await until(() => execs.has(process.pid) && execs.has(hung))
    const own = execs.get(process.pid)
    return { hung: seenOfHung(), own: [own.origin, own.argv.at(-3)], live: await argvOfLive() }
  },

  async loss() {
    const losses = []
    subscribe()
    monitor.on('loss', (loss) => losses.push(loss))
    await monitor.initialize(options)
    while (losses.length === 0) {
      spawnSync('/bin/sh', ['-c', 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done'])
      await setTimeout(50)
    }
    const { cause, lost } = losses[0]
    return { cause, isCounted: lost > 0, live: await argvOfLive(), resyncs: monitor.stats().resync > 0 }
  },

  async terminate() {
    for (let round = 0; round < 6; round++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: ['work', hungText, optionsText] })
      const [message] = await once(worker, 'message')
      if (message !== 'starts') throw new Error(`the worker says ${message}`)
      await setTimeout(round * 20)
      await worker.terminate()
    }
    return 'terminated'
  },

  /** The action of the worker thread that is terminated. */
  async work() {
    subscribe()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    parentPort.postMessage('starts')
    await monitor.initialize(options)
    await setTimeout(60_000)
  },

  /** Exits while the bootstrap scan reads the process that hangs. */
  async exit() {
    subscribe()
    void monitor.initialize(options)
    await setTimeout(20)
    say(JSON.stringify('exits'))
    process.exit(3)
  },

  async unref() {
    monitor.unref()
    subscribe()
    await monitor.initialize(options)
    return 'nothing is left to do'
  },

  /** Prints 'ready' and is stopped by SIGSTOP. It continues when another process hangs, and reads that pid from stdin. */
  async blind() {
    subscribe()
    await monitor.initialize(options)
    say('ready')
    const pid = Number((await input.next()).value)
    await until(() => execs.has(pid))
    const reported = execs.get(pid)
    const live = [await argvOfLive(), await argvOfLive()]
    return { reported: [reported.origin, reported.argv], live, timeouts: monitor.stats().captureTimeouts }
  },

  async waits() {
    subscribe()
    await monitor.initialize(options)
    const deleted = findDeletedProcesses(new Set([hung, 4_194_303]))
    const ended = monitor.waitForExit(hung)
    say('waits')
    const { pid, signal } = await ended
    return {
      deleted: [...deleted],
      isIt: pid === hung,
      signal,
      isDeleted: findDeletedProcesses(new Set([hung])).has(hung),
    }
  },

  /** Waits for the threads that read the hanging process. It ignores hanging processes of other tests. */
  async stuck() {
    subscribe()
    await monitor.initialize(options)
    const { stuckThreads } = monitor.stats()
    const stuckHere = stuckReads().filter(({ path }) => path.startsWith(cmdline)).length
    say('stuck')
    await until(() => {
      const reads = stuckReads()
      return !reads.some(({ path }) => path.startsWith(cmdline)) && monitor.stats().stuckThreads === reads.length
    })
    return { areHere: stuckHere > 0, areCounted: stuckThreads >= stuckHere, isWatched: monitor.stats().source !== null }
  },
}

const result = await things[thing]()
// A program with an unref'd monitor ends, even if the monitor has not been stopped.
if (thing !== 'unref') await monitor.stop()
if (isMainThread) {
  say(JSON.stringify(result))
  process.stdin.destroy()
}
