// Starts worker threads that monitor, and terminates each at another moment. Arguments: the number of worker threads, and
// 'too' if the main thread monitors, too. It prints what is left, and ends by itself.
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [times = '1', too] = process.argv.slice(2)
const monitor = getProcessMonitor()
if (too === 'too') {
  monitor.subscribeExit(() => {})
  await monitor.initialize()
}
const descriptors = () => readdirSync('/proc/self/fd').length
let before = 0

/** Moments of termination in milliseconds, from before the start to after a while of monitoring. */
const moment = (round) => ((round * 7) % 50) * 1.3

for (let round = 0; round < Number(times); round++) {
  const worker = new Worker(new URL('worker.mjs', import.meta.url))
  worker.on('message', () => {})
  if (round % 2 === 1) await once(worker, 'message')
  await setTimeout(round % 2 === 1 ? moment(round) / 8 : moment(round))
  await worker.terminate()
  // Node.js keeps open what it opens with the first worker thread.
  if (round === 0) before = descriptors()
}
const opened = descriptors() - before
await monitor.stop()

const readers = () =>
  readdirSync('/proc/self/task').filter((tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8') === 'proc-events\n'
    } catch {
      return false
    }
  }).length
const deadline = performance.now() + 5000
while (readers() > 0 && performance.now() < deadline) await setTimeout(5)
console.log(`${readers()} readers, ${opened} descriptors`)
