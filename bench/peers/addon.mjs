// A minimal addon, see addon.c: exec and exit callbacks in JavaScript. Prints "ready", and at SIGTERM writes
// the records (see records.ts) to its first argument. With a second argument of 1, they include the latency.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { now } from './clock.mjs'

const [file, clock, addon] = process.argv.slice(2)
const { start, stop } = createRequire(import.meta.url)(addon)
const words = new Uint32Array(4 * 4096)
const records = new Uint32Array(3 * 1_000_000)
let count = 0

function note(event) {
  if (count === records.length) return
  records[count++] = event.pid
  records[count++] = event.type
  records[count++] = clock === '1' ? now() - event.timestampNs : 0
}

start((events) => {
  for (let at = 0; at < 4 * events; at += 4) {
    note({ pid: words[at], type: words[at + 1], timestampNs: words[at + 3] * 2 ** 32 + words[at + 2] })
  }
}, words)
console.log('ready')
process.once('SIGTERM', () => {
  stop()
  writeFileSync(file, records.subarray(0, count))
  process.exit()
})
