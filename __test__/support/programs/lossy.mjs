// Monitors with the polling source until its input ends. Prints a line of JSON for each line of input: the losses, the warnings, and
// the pids of the processes that run, and of those that have exited.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
const [running, exited] = [new Set(), new Set()]
const warnings = []
let lost = 0
process.on('warning', ({ message }) => warnings.push(message))
monitor.subscribeExec((pid) => void (running.add(pid), exited.delete(pid)))
monitor.subscribeExit((pid) => void (running.delete(pid), exited.add(pid)))
monitor.on('loss', (report) => (lost += report.lost))
await monitor.initialize({ source: 'polling' })
console.log(JSON.stringify({ watching: monitor.stats().watching }))
for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') break
  await monitor.flush()
  const { watching, lostSocket } = monitor.stats()
  console.log(JSON.stringify({ watching, lost, lostSocket, warnings, running: [...running], exited: [...exited] }))
}
await monitor.stop()
