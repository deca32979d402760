// Ends 60 worker threads, two at a time, by process.exit() while they monitor a storm of processes, each at another moment. The
// main thread monitors during half of them. Afterwards it still sees a process, and no native thread is left.

const { spawn } = require('node:child_process')
const { readFileSync, readdirSync } = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { Worker, isMainThread, workerData } = require('node:worker_threads')
const { getProcessMonitor } = require('proc-events')

const WORKERS = 60
const CODE = 3
/** Deno runs no finalizers in a worker thread that ends, so that its native part stays until Deno ends. */
const RUNS_FINALIZERS = !('Deno' in globalThis)

/** Monitors in a worker thread, and ends it before, during or after the start, or within a callback. */
async function work(moment) {
  const monitor = getProcessMonitor()
  const end = () => process.exit(CODE)
  let events = 0
  monitor.subscribeExec(() => moment % 4 === 3 && ++events > moment && end(), { capture: ['name', 'argv'] })
  monitor.subscribeExit(() => moment % 4 === 2 && ++events > moment && end())
  const initialized = monitor.initialize()
  if (moment % 4 === 0) setTimeout(end, moment / 4)
  await initialized
  if (moment % 4 === 1) end()
}

/** Starts short-lived processes without a pause. Returns the function that ends that. */
function storm() {
  const shells = [1, 2].map(() => spawn('/bin/sh', ['-c', 'for i in $(seq 50000); do /bin/true; done']))
  const stop = () => shells.forEach((shell) => shell.kill('SIGKILL'))
  process.on('exit', stop)
  return stop
}

function ended(worker) {
  return new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
}

async function seesProcess(monitor) {
  const child = spawn('/bin/sh', ['-c', 'read line; exit 3'])
  const exit = monitor.waitForExit(child.pid)
  child.stdin.end()
  const { exitCode } = await exit
  if (exitCode !== 3) throw new Error(`exit code ${exitCode}`)
}

function nativeThreads() {
  const name = (tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8')
    } catch {
      return ''
    }
  }
  return readdirSync('/proc/self/task').filter((tid) => name(tid).startsWith('proc-events')).length
}

async function nativeThreadsEnd() {
  const deadline = performance.now() + 5000
  while (nativeThreads() > 0) {
    if (performance.now() > deadline) throw new Error(`${nativeThreads()} native threads are left`)
    await sleep(5)
  }
}

async function main() {
  const late = setTimeout(() => {
    console.error('not done within 300 s')
    process.exit(1)
  }, 300_000)
  const monitor = getProcessMonitor()
  const stopStorm = storm()
  for (let moment = 0; moment < WORKERS; moment += 2) {
    if (moment === WORKERS / 2) await monitor.initialize()
    const workers = [moment, moment + 1].map((of) => new Worker(__filename, { workerData: of }))
    const codes = await Promise.all(workers.map(ended))
    if (codes.some((code) => code !== CODE)) throw new Error(`workers ${moment} and the next: exit codes ${codes}`)
  }
  stopStorm()
  await seesProcess(monitor)
  if (nativeThreads() === 0) throw new Error('no native thread runs')
  await monitor.stop()
  if (RUNS_FINALIZERS) await nativeThreadsEnd()
  clearTimeout(late)
  console.log(`ok, ${WORKERS} worker threads`)
}

if (isMainThread) main()
else work(workerData)
