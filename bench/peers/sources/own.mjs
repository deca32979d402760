// How long a spawn of the watching program itself takes, beside many processes, in microseconds: without a monitor, with one in
// another program, with one in this program, and again. The arguments are the options of `initialize` as JSON, the number of
// spawns, and the command of the crowd. Prints the median of each as JSON.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [options, count, program, ...args] = process.argv.slice(2)

function spawns() {
  const times = Array.from({ length: Number(count) }, () => {
    const began = performance.now()
    spawnSync('/bin/true')
    return 1000 * (performance.now() - began)
  })
  return times.toSorted((a, b) => a - b)[times.length >> 1]
}

const crowd = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
await once(crowd.stdout, 'data')
spawns()
const [without, beside, watched] = [[], [], []]
for (let round = 0; round < 3; round++) {
  without.push(spawns())
  const other = spawn(process.execPath, [join(import.meta.dirname, 'ours.mjs'), options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(other.stdout, 'data')
  beside.push(spawns())
  const closed = once(other.stdout.resume(), 'close')
  other.kill('SIGTERM')
  await closed
  const monitor = getProcessMonitor()
  monitor.subscribeExec(() => {}, { capture: ['name', 'argv'] })
  monitor.subscribeExit(() => {})
  await monitor.initialize(JSON.parse(options))
  watched.push(spawns())
  await monitor.stop()
}
const ended = once(crowd, 'exit')
crowd.stdin.end()
await ended
const middle = (values) => values.toSorted((a, b) => a - b)[1]
console.log(JSON.stringify({ without: middle(without), beside: middle(beside), watched: middle(watched) }))
