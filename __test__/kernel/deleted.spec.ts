/** `findDeletedProcesses` on the real /proc. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { findDeletedProcesses } from '../../dist/index.js'
import { lines, run } from '../support/helpers.ts'

test('findDeletedProcesses returns exactly the keys of exited processes', async (t) => {
  const ended = await run('/bin/true')
  const pids = new Map([
    [process.pid, 'this'],
    [ended, 'that'],
    [1, 'init'],
  ])
  t.deepEqual(findDeletedProcesses(pids), new Set([ended]))
  t.is(pids.size, 3)
  t.deepEqual(findDeletedProcesses(new Map([[process.pid, 0]])), new Set())
  t.deepEqual(findDeletedProcesses(new Map()), new Set())
})

test('a zombie counts as exited', async (t) => {
  const script = 'sleep 0.01 & echo $!; exec sleep 60'
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { value } = await lines(parent).next()
  const zombie = Number(value)
  const deadline = Date.now() + 10_000
  while (!findDeletedProcesses(new Map([[zombie, 0]])).has(zombie) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  t.true(findDeletedProcesses(new Map([[zombie, 0]])).has(zombie))
  parent.kill()
  await once(parent, 'exit')
})

test('a thread id that is not a pid counts as exited', async (t) => {
  const { readdirSync } = await import('node:fs')
  const tid = readdirSync('/proc/self/task')
    .map(Number)
    .find((tid) => tid !== process.pid)!
  t.true(findDeletedProcesses(new Map([[tid, 0]])).has(tid))
})

test('an unreadable /proc throws ERR_PROC_UNREADABLE', (t) => {
  t.throws(() => findDeletedProcesses(new Map([[1, 0]]), { procRoot: '/nowhere' }), { code: 'ERR_PROC_UNREADABLE' })
  t.throws(() => findDeletedProcesses(new Map([[1, 0]]), { procRoot: '/tmp' }), { code: 'ERR_PROC_UNREADABLE' })
})
