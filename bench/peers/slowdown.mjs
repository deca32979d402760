// This package with captured details, for `bench -- slowdown`. Prints "ready", and ends at SIGTERM. Arguments: the fields, with
// commas, and the option `maxLatency`.
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
const [fields, maxLatency = '0'] = process.argv.slice(2)

const monitor = getProcessMonitor()
monitor.subscribeExec(() => {}, { capture: fields === '' ? [] : fields.split(',') })
await monitor.initialize({ maxLatency: Number(maxLatency) })
console.log('ready')
process.once('SIGTERM', () => monitor.stop())
