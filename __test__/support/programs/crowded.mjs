// Monitors many idle processes and a burst of short ones in the environment where it runs. Prints the number of its descriptors
// before and after the start, the number of watched processes, and the milliseconds until the reported processes are those of
// /proc. Arguments: the options of `initialize`, and the number of idle processes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [options = '{}', idle = '100'] = process.argv.slice(2)
const crowd = spawn('/bin/sh', ['-c', `for n in $(seq ${idle}); do sleep 60 & done; echo ready; wait`])
await once(crowd.stdout, 'data')

/** Returns the pids of all processes, without zombies. */
function listed() {
  const runs = (pid) => {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    } catch {
      return false
    }
  }
  return readdirSync('/proc').filter(Number).filter(runs).map(Number)
}
const descriptors = () => readdirSync('/proc/self/fd').length

const reported = new Set()
const monitor = getProcessMonitor()
monitor.subscribeExec((pid) => reported.add(pid))
monitor.subscribeExit((pid) => reported.delete(pid))
const before = descriptors()
await monitor.initialize(JSON.parse(options))
const after = descriptors()

const burst = spawn('/bin/sh', ['-c', 'for n in $(seq 500); do /bin/true & done; wait; sleep 60 & echo over; sleep 60'])
await once(burst.stdout, 'data')
const began = performance.now()
const isEqual = () => {
  const pids = listed()
  return pids.length === reported.size && pids.every((pid) => reported.has(pid))
}
while (!isEqual() && performance.now() - began < 5000) await setTimeout(5)
const tookMs = performance.now() - began
const { trackedProcesses: tracked, watching } = monitor.stats()
await monitor.stop()
burst.kill('SIGKILL')
crowd.kill('SIGKILL')
console.log(JSON.stringify({ before, after, tracked, watching, tookMs, listed: listed().length }))
// The namespace ends with its first process, which may be another one.
process.exit()
