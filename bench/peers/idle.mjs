// This package at rest, or, with a first argument of `none`, Node.js alone, and of `used`, when it has collected garbage;
// with `names`, this package has every name captured.
// Prints "ready"; at SIGUSR2 how many events there were, and at SIGTERM it stops.
import { createRequire } from 'node:module'

const [what] = process.argv.slice(2)
if (what === 'none' || what === 'used') {
  const garbage = []
  // Some MB, of which a hundred objects are held at a time.
  const count = what === 'used' ? 100_000 : 0
  for (let i = 0; i < count; i++) garbage[i % 100] = { i, others: [i] }
  // As long as the other waits.
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
