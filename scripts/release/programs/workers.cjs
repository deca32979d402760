// Ends worker threads by process.exit() while events arrive: 60 of them, with a storm of processes. The program must go on, and
// its own monitor must still report.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { isMainThread, Worker } = require('node:worker_threads')
const { getProcessMonitor } = require('proc-events')

const WORKERS = 60
/** Events after which a worker ends. Different numbers end it at different moments. */
const EVENTS = [1, 2, 5, 20]

async function watchAndEnd() {
  const { workerData } = require('node:worker_threads')
  const monitor = getProcessMonitor()
  let left = workerData
  const count = () => --left === 0 && process.exit(0)
  monitor.subscribeExec(count, { capture: ['argv'] })
  monitor.subscribeExit(count)
  await monitor.initialize()
}

async function main() {
  const late = setTimeout(() => {
    console.error('the workers did not end within 120 s')
    process.exit(1)
  }, 120_000)
  const monitor = getProcessMonitor()
  const exits = { count: 0 }
  monitor.subscribeExit(() => exits.count++)
  await monitor.initialize()
  const storm = spawn('/bin/sh', ['-c', 'i=0; while [ $i -lt 200000 ]; do /bin/true; i=$((i+1)); done'], {
    stdio: 'ignore',
  })
  for (let ended = 0; ended < WORKERS; ended += 2) {
    const pair = [0, 1].map((of) => new Worker(__filename, { workerData: EVENTS[(ended + of) % EVENTS.length] }))
    await Promise.all(pair.map((worker) => once(worker, 'exit')))
  }
  const enough = exits.count + 10
  while (exits.count < enough) await new Promise((resolve) => setTimeout(resolve, 5))
  storm.kill()
  await monitor.stop()
  clearTimeout(late)
  console.log(`ok: ${WORKERS} workers, ${exits.count} exits`)
}

if (isMainThread) main()
else watchAndEnd()
