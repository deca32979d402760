// This package with captured details, for `bench -- slowdown`. Prints "ready", and ends at SIGTERM. Arguments: the fields, with
// commas, and the option `maxLatency`. The field "exits" subscribes to exits, too, and "usage" to their costs.
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
const [fields, maxLatency = '0'] = process.argv.slice(2)

const monitor = getProcessMonitor()
const names = new Set(fields.split(',').filter(Boolean))
const hasExits = names.delete('exits')
const usage = names.delete('usage') ? ['usage'] : []
monitor.subscribeExec(() => {}, { capture: [...names] })
if (hasExits) monitor.subscribeExit(() => {}, { capture: usage })
await monitor.initialize({ maxLatency: Number(maxLatency) })
console.log('ready')
process.once('SIGTERM', () => monitor.stop())
