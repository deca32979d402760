// storm.mjs COUNT PATIENCE: a storm of short processes beside a listener without any library. Both must see the same.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { monitor, result, start, until } from './common.mjs'

const [count, patience] = process.argv.slice(2).map(Number)
const [execs, exits] = [new Map(), new Map()]
const add = (map) => (pid) => void map.set(pid, (map.get(pid) ?? 0) + 1)
monitor.subscribeExit(add(exits))
await start()
const listener = spawn('/tmp/bin/listener', ['filter', '/tmp/listener.out', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
await once(listener.stdout, 'data')
monitor.subscribeExec(add(execs))
const load = spawn(
  '/tmp/bin/load',
  ['storm', '/tmp/bin/end', '2', String(count), String(patience * 60), '/tmp/storm.pids'],
  { stdio: ['ignore', 'ignore', 'inherit'] },
)
await once(load, 'exit')
const pids = words('/tmp/storm.pids')
await until(() => pids.every((pid) => exits.has(pid)), patience)
await monitor.flush()
listener.kill('SIGTERM')
await once(listener, 'exit')
const { lostSocket, lostQueue } = monitor.stats()
// Records of three words: pid, kind (1 for an exec, 2 for an exit), latency.
const records = words('/tmp/listener.out')
const kernel = { 1: new Map(), 2: new Map() }
for (let at = 0; at + 2 < records.length; at += 3)
  if (kernel[records[at + 1]]) add(kernel[records[at + 1]])(records[at])
const of = (map) => pids.reduce((sum, pid) => sum + (map.get(pid) ?? 0), 0)
const unknown = pids.filter((pid) => (execs.get(pid) ?? 0) === 0 || (exits.get(pid) ?? 0) === 0).length
result({
  started: pids.length,
  kernelExecs: of(kernel[1]),
  execs: of(execs),
  kernelExits: of(kernel[2]),
  exits: of(exits),
  lost: lostSocket + lostQueue,
  unknown,
})
await monitor.stop()

function words(path) {
  const bytes = readFileSync(path)
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readUInt32LE(at * 4))
}
