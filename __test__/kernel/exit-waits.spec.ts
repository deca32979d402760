/** `waitForExit` on the real kernel. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { lines, monitoring, run, until } from '../support/helpers.ts'

const serial = test.serial

serial('every wait for a child resolves with its exit code or signal', async (t) => {
  await monitoring(async (monitor) => {
    const first = spawn('/bin/sh', ['-c', 'sleep 0.1; exit 7'])
    const waits = await Promise.all([monitor.waitForExit(first.pid!), monitor.waitForExit(first.pid!)])
    t.deepEqual(
      waits.map(({ pid, exitCode, signal }) => [pid, exitCode, signal]),
      waits.map(() => [first.pid, 7, null]),
    )
    const second = spawn('/bin/sleep', ['60'])
    const wait = monitor.waitForExit(second.pid!)
    second.kill('SIGTERM')
    t.is((await wait).signal, 'SIGTERM')
  })
})

serial('the exit of a short-lived child is not missed', async (t) => {
  await monitoring(async (monitor) => {
    for (let round = 0; round < 20; round++) {
      const child = spawn('/bin/true')
      t.is((await monitor.waitForExit(child.pid!)).exitCode, 0)
    }
  })
})

serial('the exit of a process that is not a child and older than the monitor is reported', async (t) => {
  // Its stderr is ignored, because a shell may print "Killed" for its killed child.
  const script = 'sleep 60 & echo $!; wait $!'
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  const pid = Number((await lines(parent).next()).value)
  await monitoring(async (monitor) => {
    const wait = monitor.waitForExit(pid)
    process.kill(pid, 'SIGKILL')
    t.like(await wait, { pid, signal: 'SIGKILL', ppid: parent.pid })
  })
})

serial('the exit of a forked process without an exec is reported', async (t) => {
  const script = 'exec 3<&0; (read line <&3) & echo $!; wait $!'
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
  const pid = Number((await lines(parent).next()).value)
  await monitoring(async (monitor) => {
    const wait = monitor.waitForExit(pid)
    process.kill(pid, 'SIGKILL')
    t.is((await wait).signal, 'SIGKILL')
    parent.kill()
  })
})

serial('an exited process and an unused pid reject', async (t) => {
  await monitoring(async (monitor) => {
    const reported = new Set<number>()
    monitor.subscribeExit((pid) => reported.add(pid))
    const ended = await run('/bin/false')
    await until('its exit was delivered', () => reported.has(ended))
    t.like(await monitor.waitForExit(ended), { pid: ended, exitCode: 1 })
    await t.throwsAsync(monitor.waitForExit(2 ** 22), { code: 'ERR_NO_SUCH_PROCESS' })
  })
})

serial('an abort signal and a stop end the wait and leave nothing behind', async (t) => {
  const child = spawn('/bin/sleep', ['60'])
  await once(child, 'spawn')
  await monitoring(async (monitor) => {
    const aborted = monitor.waitForExit(child.pid!, { signal: AbortSignal.timeout(20) })
    t.is((await t.throwsAsync(aborted, { name: 'AbortError' })).cause instanceof Error, true)
    const stopped = t.throwsAsync(monitor.waitForExit(child.pid!), { code: 'ERR_STOPPED' })
    await monitor.stop()
    await stopped
  })
  child.kill()
})

serial('details requested right after a wait are captured for the next process', async (t) => {
  await monitoring(async (monitor) => {
    for (let round = 0; round < 50; round++) {
      const ends = new AbortController()
      const wait = t.throwsAsync(monitor.waitForExit(process.pid, ends), { name: 'AbortError' })
      // The wait is in place by now.
      for (let turn = 0; turn < 5; turn++) await new Promise<void>(queueMicrotask)
      const execs = new Map<number, boolean>()
      const unsubscribe = monitor.subscribeExec((pid, { process: info }) => execs.set(pid, 'argv' in info), {
        capture: ['argv'],
      })
      const { pid } = spawnSync('/bin/true')
      await until('its exec was delivered', () => execs.has(pid))
      t.true(execs.get(pid))
      unsubscribe()
      ends.abort()
      await wait
    }
  })
})
