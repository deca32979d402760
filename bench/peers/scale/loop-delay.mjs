// Measures the longest turn of the event loop, and the CPU time of the thread in it. A turn that is long without CPU time was
// delayed by other programs, or by a lock.

/** Returns a function that ends the measurement, and returns the figures in milliseconds. */
export function measureLoop() {
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let [time, cpu] = [performance.now(), cpuMs()]
  let [longestMs, cpuOfTurnMs] = [0, 0]
  const look = () => {
    const now = [performance.now(), cpuMs()]
    longestMs = Math.max(longestMs, now[0] - time)
    cpuOfTurnMs = Math.max(cpuOfTurnMs, now[1] - cpu)
    ;[time, cpu] = now
  }
  // A turn ends before the next timer, so that no longer turn escapes.
  const timer = setInterval(look, 1)
  return () => {
    look()
    clearInterval(timer)
    return { longestMs, longestCpuMs: cpuOfTurnMs }
  }
}
