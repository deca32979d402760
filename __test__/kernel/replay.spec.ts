/** Replays on the real kernel: the running processes at a late subscription. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { copyOf, monitoring, run, until } from '../support/helpers.ts'

const serial = test.serial

serial('a late subscription with replay gets every running process, and no other subscription does', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-replay')
  const before = spawn(program.path, ['60'])
  await once(before, 'spawn')
  await monitoring(async (monitor) => {
    const others: number[] = []
    monitor.subscribeExec((pid, { origin }) => origin === 'bootstrap' && others.push(pid))
    const execs: number[] = []
    monitor.subscribeExec((pid) => execs.push(pid), { name: 'pe-replay' })
    const since = spawn(program.path, ['60'])
    await until('the new process is reported', () => execs.includes(since.pid!))

    const reported = new Map<number, string[]>()
    const named: number[] = []
    monitor.subscribeExec((pid, { origin }) => reported.set(pid, [...(reported.get(pid) ?? []), origin]), {
      replay: true,
    })
    monitor.subscribeExec((pid) => named.push(pid), { replay: true, name: 'pe-replay' })
    const short = await run('/bin/true')
    await until('every process is reported', () =>
      [1, before.pid!, since.pid!, short].every((pid) => reported.has(pid)),
    )
    await until('both are reported by name', () => named.length >= 2)
    t.deepEqual(reported.get(1), ['bootstrap'])
    t.deepEqual(reported.get(before.pid!), ['bootstrap'])
    t.deepEqual(reported.get(since.pid!), ['bootstrap'])
    t.deepEqual(reported.get(short), ['kernel'])
    t.deepEqual(named.toSorted(), [before.pid!, since.pid!].toSorted())
    t.deepEqual(others, [])
    for (const child of [before, since]) child.kill('SIGKILL')
  })
  program.remove()
})

serial('flush() resolves after a replay that was begun before', async (t) => {
  await monitoring(async (monitor) => {
    for (let round = 0; round < 20; round++) {
      const found = new Set<number>()
      const unsubscribes = [true, false].map(() =>
        monitor.subscribeExec((pid) => found.add(pid), { replay: true, capture: ['name'] }),
      )
      await monitor.flush()
      t.true(found.has(1) && found.has(process.pid), `round ${round}: ${found.size} processes`)
      for (const unsubscribe of unsubscribes) unsubscribe()
    }
  })
})

serial('events() replays and then continues with live events', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-replay-it')
  const child = spawn(program.path, ['60'])
  await once(child, 'spawn')
  await monitoring(async (monitor) => {
    const seen: string[] = []
    for await (const { type, pid, origin } of monitor.events({ replay: true, name: 'pe-replay-it' })) {
      if (pid !== child.pid) continue
      seen.push(`${type} ${origin}`)
      if (type === 'exit') break
      child.kill('SIGKILL')
    }
    t.deepEqual(seen, ['exec bootstrap', 'exit kernel'])
  })
  program.remove()
})
