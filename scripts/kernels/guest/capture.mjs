// capture.mjs COUNT PATIENCE: of how many short processes the arguments could be read; /bin/true by spawnSync, and a static
// program of three instructions in a shell loop.

import { spawnSync } from 'node:child_process'
import { LOOP, monitor, result, start, until } from './common.mjs'

const [count, patience] = process.argv.slice(2).map(Number)
const seen = new Map()
monitor.subscribeExec((pid, { process: { argv } }) => seen.set(pid, argv?.[0] ?? null), {
  capture: ['argv'],
})
await start()
const pids = Array.from({ length: count }, () => spawnSync('/bin/true').pid)
const loop = spawnSync('/bin/sh', ['-c', LOOP, 'sh', String(count), '/tmp/bin/end'], { encoding: 'utf8' })
const loopPids = loop.stdout.trim().split('\n').map(Number)
await until(() => [...pids, ...loopPids].every((pid) => seen.has(pid)), patience * 5)
const argvOf = (list, name) => list.filter((pid) => seen.get(pid) === name).length
const execsOf = (list) => list.filter((pid) => seen.has(pid)).length
const [argv, loopArgv] = [argvOf(pids, '/bin/true'), argvOf(loopPids, '/tmp/bin/end')]
const wrong = [...pids, ...loopPids].filter((pid) => seen.get(pid)).length - argv - loopArgv
result({ execs: execsOf(pids), argv, loopExecs: execsOf(loopPids), loopArgv, wrong })
await monitor.stop()
