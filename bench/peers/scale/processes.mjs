// This package amid many processes, as scale/processes.ts measures it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { answer } from './answer.mjs'
import { measureLoop } from './loop-delay.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const PID_LIMIT = 4_194_304
/** The number of reports by pid. It is written to before the measurement, so that it takes no memory later. */
const reports = new Uint8Array(PID_LIMIT).fill(0)
const monitor = getProcessMonitor()

answer({
  /** Reports all running processes. */
  async start({ capture }) {
    let last = 0
    monitor.subscribeExec(
      (pid, { origin }) => {
        if (origin !== 'bootstrap') return
        reports[pid]++
        last = performance.now()
      },
      { capture },
    )
    monitor.subscribeExit(() => {})
    const measured = measureLoop()
    await setTimeout(20)
    const began = performance.now()
    await monitor.initialize()
    await setTimeout(20)
    return { ms: last - began, ...measured() }
  },
  events: () => monitor.stats().events,
  /** Returns the number of the crowd's processes that were reported exactly once. */
  crowd({ pids }) {
    const bytes = readFileSync(pids)
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    return words.reduce((count, pid) => count + (reports[pid] === 1 ? 1 : 0), 0)
  },
  stop: () => monitor.stop(),
})
