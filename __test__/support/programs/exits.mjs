// Prints the exits that a monitor reports, a line each: the pid and the exit code. The first line is `ready`, or the code of the
// error that initialize() rejects with. Ends at the end of stdin.
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
const state = await monitor.initialize().then(
  () => 'ready',
  ({ code }) => code,
)
monitor.subscribeExit((pid, { exitCode }) => console.log(`${pid} ${exitCode}`))
console.log(state)
process.stdin.on('end', () => void monitor.stop()).resume()
