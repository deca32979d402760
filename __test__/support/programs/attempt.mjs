// Tries to monitor in whatever environment it was started in, prints what came of it as JSON, and then has nothing left
// to do: it ends by itself. Arguments: the options of `initialize`, and a program to be watched, if any.
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
// Opened by Node.js when first used, for a warning for example.
process.stderr.write('')
const before = left()
const monitor = getProcessMonitor()
const told = []
monitor.subscribeExec((pid, { origin }) => told.push({ pid, what: `exec ${origin}` }))
monitor.subscribeExit((pid, { origin }) => told.push({ pid, what: `exit ${origin}` }))
const started = performance.now()
try {
  await monitor.initialize({ ...others, ...root })
} catch (error) {
  result.error = { code: error.code, name: error.name, message: error.message }
}
result.ms = performance.now() - started
result.source = monitor.stats().source
if (watched !== undefined && result.error === undefined) {
  // Long enough for whoever polls.
  const child = spawn(watched, ['0.3'], { stdio: 'ignore' })
  await once(child, 'exit')
  const own = () => told.filter(({ pid }) => pid === child.pid).map(({ what }) => what)
  const deadline = performance.now() + 10_000
  while (own().length < 2 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2))
  result.told = own()
}
result.bootstrap = told.filter(({ what }) => what === 'exec bootstrap').length
await monitor.stop()
result.before = before
result.after = left()
console.log(JSON.stringify(result))
