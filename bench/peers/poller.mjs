// A Node.js program without a native part. It reads /proc every 100 ms. Prints "ready", and at SIGTERM writes the records
// (see records.ts) to its first argument.
import { readdirSync, writeFileSync } from 'node:fs'

const [file] = process.argv.slice(2)
const records = []
const look = () => new Set(readdirSync('/proc').map(Number).filter(Boolean))
let before = look()

const timer = setInterval(() => {
  const now = look()
  for (const pid of now) if (!before.has(pid)) records.push(pid, 1, 0)
  for (const pid of before) if (!now.has(pid)) records.push(pid, 2, 0)
  before = now
}, 100)
console.log('ready')
process.once('SIGTERM', () => {
  clearInterval(timer)
  writeFileSync(file, Uint32Array.from(records))
})
