// The delay of the event loop with this package and empty callbacks. With a second argument of `slow`, callbacks take
// 50 µs. With `none`, Node.js runs alone. Prints "ready", measures from SIGUSR2 on, and at SIGTERM writes the delays of a
// timer in milliseconds to its first argument, as JSON.
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
// The histogram records the time from one timer to the next.
const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
const writeDelays = () => {
  delay.disable()
  const [p50, p99] = [50, 99].map((percentile) => late(delay.percentile(percentile)))
  writeFileSync(file, JSON.stringify({ p50, p99, most: late(delay.max) }))
}

if (what === 'none') {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  process.once('SIGTERM', () => {
    clearInterval(timer)
    writeDelays()
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
    writeDelays()
    await monitor.stop()
  })
}
console.log('ready')
