// Measures the longest turn of the event loop, with and without the time in which the thread waited for a CPU.
import { openSync, readSync } from 'node:fs'

/** CPU time, and the time of waiting for a CPU, in nanoseconds. */
const schedstat = openSync('/proc/self/schedstat', 'r')
const bytes = Buffer.alloc(64)

function waitedMs() {
  const length = readSync(schedstat, bytes, 0, bytes.length, 0)
  return Number(bytes.toString('latin1', 0, length).split(' ')[1]) / 1e6
}

/** Starts to measure. Returns a function that ends that, and returns the figures in milliseconds. */
export function measureLoop() {
  let [time, waited] = [performance.now(), waitedMs()]
  let [longestMs, longestOwnMs] = [0, 0]
  const look = () => {
    const [now, nowWaited] = [performance.now(), waitedMs()]
    longestMs = Math.max(longestMs, now - time)
    longestOwnMs = Math.max(longestOwnMs, now - time - (nowWaited - waited))
    time = now
    waited = nowWaited
  }
  // The timer fires once in each turn that takes a millisecond or more.
  const timer = setInterval(look, 1)
  return () => {
    look()
    clearInterval(timer)
    return { longestMs, longestOwnMs }
  }
}
