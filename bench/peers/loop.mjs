// How long the event loop keeps others waiting: with this package and callbacks that do nothing; with a second argument
// of `slow`, callbacks of 50 µs; with `none`, Node.js alone. Prints "ready"; measures from SIGUSR2 on, and at SIGTERM
// writes to its first argument, in JSON, the milliseconds that a timer came late.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const [file, what] = process.argv.slice(2)
const RESOLUTION_MS = 1
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
process.on('SIGUSR2', () => {
  delay.reset()
  delay.enable()
})
// What is recorded is the time from one timer to the next.
const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
const tell = () => {
  delay.disable()
  const [p50, p99] = [50, 99].map((percentile) => late(delay.percentile(percentile)))
  writeFileSync(file, JSON.stringify({ p50, p99, most: late(delay.max) }))
}

if (what === 'none') {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  process.once('SIGTERM', () => {
    clearInterval(timer)
    tell()
  })
} else {
  const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
  const takesMs = what === 'slow' ? 0.05 : 0
  const callback = () => {
    const until = performance.now() + takesMs
    while (performance.now() < until);
  }
  const monitor = getProcessMonitor()
  monitor.subscribeExec((pid) => takesMs > 0 && callback(pid))
  monitor.subscribeExit((pid) => takesMs > 0 && callback(pid))
  await monitor.initialize()
  process.once('SIGTERM', async () => {
    tell()
    await monitor.stop()
  })
}
console.log('ready')
