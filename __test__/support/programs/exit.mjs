// Monitors, and calls process.exit(3) at some moment. Arguments: the moment, any number, and the options of
// `initialize` as JSON.
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const moment = Number(process.argv[2])
const monitor = getProcessMonitor()
const end = () => process.exit(3)
let events = 0
monitor.subscribeExec(() => {
  if (moment % 5 === 0 && ++events > 10 * moment) end()
})
monitor.subscribeExit(({ length }) => length)
if (moment % 5 === 1) setTimeout(end, moment)
const initialized = monitor.initialize(JSON.parse(process.argv[3] ?? '{}'))
if (moment % 5 === 2) end()
await initialized
if (moment % 5 === 3) end()
if (moment % 5 === 4) void monitor.stop().then(end)
