// A Node.js program without a native part, as the `sources` benchmark measures it. It reads /proc every 250 ms. Prints "ready",
// and at SIGTERM a line for each event (see sources/score.ts).
import { readFileSync, readdirSync } from 'node:fs'

const seen = []
const list = () => new Set(readdirSync('/proc').map(Number).filter(Boolean))
const now = () => Number(process.hrtime.bigint())
let before = list()

const argvOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

const timer = setInterval(() => {
  const running = list()
  for (const pid of running) if (!before.has(pid)) seen.push({ type: 'exec', pid, at: now(), argv: argvOf(pid) })
  for (const pid of before) if (!running.has(pid)) seen.push({ type: 'exit', pid, at: now() })
  before = running
}, 250)
console.log('ready')
process.once('SIGTERM', () => {
  clearInterval(timer)
  console.log(seen.map((event) => JSON.stringify(event)).join('\n'))
})
