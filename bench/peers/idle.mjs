// This package while idle. With a first argument of `names`, it captures every name. With `none`, Node.js runs alone, and
// with `used`, Node.js has collected garbage before. Prints "ready", prints the number of events at SIGUSR2, and stops at
// SIGTERM.
import { createRequire } from 'node:module'

const [what] = process.argv.slice(2)
if (what === 'none' || what === 'used') {
  const garbage = []
  // Allocates some MB, with a hundred live objects at a time.
  const count = what === 'used' ? 100_000 : 0
  for (let i = 0; i < count; i++) garbage[i % 100] = { i, others: [i] }
  // Node.js alone must keep running, too.
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  process.on('SIGUSR2', () => console.log('0'))
  process.once('SIGTERM', () => clearInterval(timer))
} else {
  const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
  const monitor = getProcessMonitor()
  monitor.subscribeExec(() => {}, what === 'names' ? { capture: ['name'] } : {})
  monitor.subscribeExit(() => {})
  await monitor.initialize()
  process.on('SIGUSR2', () => console.log(String(monitor.stats().events)))
  process.once('SIGTERM', () => void monitor.stop())
}
console.log('ready')
