// This package with many subscriptions, as scale/subscriptions.ts measures it.
import { createRequire } from 'node:module'
import { answer } from './answer.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
const filters = {
  names: (name) => ({ name }),
  patterns: (name) => ({ name: new RegExp(`^${name}$`) }),
}
let unsubscribes = []
let matched = 0
let others = 0

/** Returns the CPU time of this thread so far. Garbage collections also use other threads, as many as the machine has CPUs. */
function cpuMs() {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Returns the time until the reader thread has applied the calls of `work`, and the CPU time of JavaScript's thread. */
async function timed(work) {
  const [began, cpuBefore] = [performance.now(), cpuMs()]
  work()
  await monitor.flush()
  return { ms: performance.now() - began, cpuMs: cpuMs() - cpuBefore }
}

answer({
  start: () => monitor.initialize(),
  /** Subscribes `count` callbacks. Only the filter of the middle one matches the program `name`. */
  subscribe({ kind, count, name }) {
    const middle = Math.floor(count / 2)
    const subscriptions = Array.from({ length: count }, (_, i) => {
      const isMiddle = i === middle
      const callback = isMiddle ? () => matched++ : () => others++
      return [callback, filters[kind](isMiddle ? name : `other-${i}`)]
    })
    return timed(() => {
      unsubscribes = subscriptions.map(([callback, filter]) => monitor.subscribeExec(callback, filter))
    })
  },
  async counts() {
    await monitor.flush()
    return { matched, others }
  },
  unsubscribe() {
    return timed(() => {
      for (const unsubscribe of unsubscribes) unsubscribe()
      unsubscribes = []
    })
  },
  stop: () => monitor.stop(),
})
