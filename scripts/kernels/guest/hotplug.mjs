// hotplug.mjs COUNT PATIENCE: short processes on CPUs that go offline and come back, and on one that comes online after the
// start. No event may be lost; a CPU that came later must have its capture worker.

import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { LOOP, monitor, result, start, until } from './common.mjs'

const [count, patience] = process.argv.slice(2).map(Number)
const setOnline = (cpu, isOnline) => writeFileSync(`/sys/devices/system/cpu/cpu${cpu}/online`, isOnline ? '1' : '0')
const phases = []
const [seen, exits] = [new Map(), new Set()]
const last = readdirSync('/sys/devices/system/cpu').filter((name) => /^cpu\d+$/.test(name)).length - 1

setOnline(last, false)
monitor.subscribeExec((pid, { process: { argv } }) => seen.set(pid, argv?.[0] ?? null), {
  capture: ['argv'],
})
monitor.subscribeExit((pid) => exits.add(pid))
await start()
const usual = await phase('before', 1)
setOnline(last, true)
// The first exec on the new CPU starts its worker.
await phase('the first processes on a CPU that came later', last, 0, 3)
// Without a worker there, it is at most a tenth. A translator captures fewer on every CPU.
await phase('a CPU that came later', last, usual * 0.8)
setOnline(1, false)
await phase('one CPU less', 2)
setOnline(1, true)
await phase('the CPU is back', 1)
await phase('all CPUs', undefined)
result({ phases })
await monitor.stop()

/** Runs processes on one CPU, or on all. `share`: of how many the arguments must have been read. Returns the share. */
async function phase(name, cpu, share = 0, size = count) {
  const pinned = cpu === undefined ? [] : ['taskset', '-c', String(cpu)]
  const [command, ...args] = [...pinned, '/bin/sh', '-c', LOOP, 'sh', String(size), '/tmp/bin/end']
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  const pids = stdout.trim().split('\n').map(Number)
  await until(() => pids.every((pid) => seen.has(pid) && exits.has(pid)), patience * 3)
  const [execs, ended, argv] = [seen.has.bind(seen), exits.has.bind(exits), (pid) => seen.get(pid)].map(
    (is) => pids.filter(is).length,
  )
  const { priority, lostSocket, lostQueue } = monitor.stats()
  const ok = execs === size && ended === size && argv >= size * share && lostSocket + lostQueue === 0
  phases.push({ name, ok, text: `${argv} of ${execs}, ${priority}${stderr ? `, ${stderr.slice(0, 80)}` : ''}` })
  for (const map of [seen, exits]) map.clear()
  return argv / size
}
