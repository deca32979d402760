// This package: exec and exit callbacks in JavaScript, nothing captured. Prints "ready", and at SIGTERM writes the
// records (see records.ts) to its first argument. With a second argument of 1, they include the latency. The third argument is
// the option `maxLatency`.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { now } from './clock.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
const [file, clock, maxLatency = '0'] = process.argv.slice(2)
const records = new Uint32Array(3 * 1_000_000)
let count = 0

function note(pid, kind, event) {
  if (event.origin !== 'kernel' && event.origin !== 'resync') return
  if (count === records.length) return
  records[count++] = pid
  records[count++] = kind
  records[count++] = clock === '1' ? now() - event.timestampNs : 0
}

const monitor = getProcessMonitor()
monitor.subscribeExec((pid, event) => note(pid, 1, event))
monitor.subscribeExit((pid, event) => note(pid, 2, event))
await monitor.initialize({ maxLatency: Number(maxLatency) })
console.log('ready')
process.once('SIGTERM', async () => {
  await monitor.stop()
  writeFileSync(file, records.subarray(0, count))
})
