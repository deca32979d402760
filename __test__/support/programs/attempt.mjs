// Tries to monitor in the environment where it runs, and prints the outcome as JSON. It ends by itself, because nothing
// keeps it running. Arguments: the options of `initialize`, and optionally a program to watch.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'

const { getProcessMonitor, probe } = createRequire(import.meta.url)('../../../dist/index.js')
const [options = '{}', watched] = process.argv.slice(2)
const { procRoot, ...others } = JSON.parse(options)
const root = procRoot === undefined ? {} : { procRoot }
const result = { warnings: [] }
process.on('warning', ({ name, code }) => result.warnings.push(`${name} ${code}`))

const left = () => ({
  threads: readdirSync('/proc/self/task').length,
  descriptors: readdirSync('/proc/self/fd').length,
})

result.probe = await probe(root)
// Node.js opens stderr on first use, for example for a warning. Open it before descriptors are counted.
process.stderr.write('')
const before = left()
const monitor = getProcessMonitor()
const reported = []
monitor.subscribeExec((pid, { origin }) => reported.push({ pid, what: `exec ${origin}` }))
monitor.subscribeExit((pid, { origin }) => reported.push({ pid, what: `exit ${origin}` }))
const started = performance.now()
try {
  await monitor.initialize({ ...others, ...root })
} catch (error) {
  result.error = { code: error.code, name: error.name, message: error.message }
}
result.ms = performance.now() - started
result.source = monitor.stats().source
if (watched !== undefined && result.error === undefined) {
  // The program runs long enough for polling.
  const child = spawn(watched, ['0.3'], { stdio: 'ignore' })
  await once(child, 'exit')
  const own = () => reported.filter(({ pid }) => pid === child.pid).map(({ what }) => what)
  const deadline = performance.now() + 10_000
  while (own().length < 2 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2))
  result.reported = own()
}
result.bootstrap = reported.filter(({ what }) => what === 'exec bootstrap').length
await monitor.stop()
result.before = before
result.after = left()
console.log(JSON.stringify(result))
