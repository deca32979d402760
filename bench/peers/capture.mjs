// This package with captured details. Prints "ready", and at SIGTERM the number of execs with the exe, the arguments and the
// name. Arguments: the program to count, that program's only argument, and the options `priority` and `maxLatency`.
import { createRequire } from 'node:module'
import { basename } from 'node:path'

const { getProcessMonitor } = createRequire(import.meta.url)('../../dist/index.js')
const [program, argument, priority, maxLatency = '0'] = process.argv.slice(2)
const captured = { exe: 0, argv: 0, name: 0 }

const monitor = getProcessMonitor()
monitor.subscribeExec(
  (_, { process: { exe, argv, name } }) => {
    if (exe === program) captured.exe++
    if (argv?.[0] === program && argv[1] === argument) captured.argv++
    if (name === basename(program)) captured.name++
  },
  { capture: ['exe', 'argv', 'name'] },
)
await monitor.initialize({ priority, maxLatency: Number(maxLatency) })
console.log('ready')
process.once('SIGTERM', async () => {
  const { priority: scheduled } = monitor.stats()
  await monitor.stop()
  console.log(JSON.stringify({ ...captured, scheduled }))
})
