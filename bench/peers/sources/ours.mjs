// This package as the `sources` benchmark measures it: execs with name and arguments, and exits. The argument is the options of
// `initialize`, as JSON. Prints "ready", and at SIGTERM a line for each event (see sources/score.ts), and one with the statistics.
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const seen = []
const note = (type, pid, event, value) =>
  event.origin !== 'bootstrap' && seen.push([process.hrtime.bigint(), type, pid, event.timestampNs, value])

const monitor = getProcessMonitor()
const capture = { capture: ['name', 'argv'] }
monitor.subscribeExec((pid, event) => note('exec', pid, event, event.process.argv), capture)
monitor.subscribeExit((pid, event) => note('exit', pid, event, event.exitCode))
await monitor.initialize(JSON.parse(process.argv[2]))
console.log('ready')
process.once('SIGTERM', async () => {
  const { watching, unseen, exitsWithoutStatus } = monitor.stats()
  await monitor.stop()
  const lines = seen.map(([at, type, pid, noticed, value]) =>
    JSON.stringify({ type, pid, at: Number(at), noticed: Number(noticed), [type === 'exec' ? 'argv' : 'code']: value }),
  )
  console.log([...lines, JSON.stringify({ watching, unseen, exitsWithoutStatus })].join('\n'))
})
