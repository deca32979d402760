/** `waitForExit` on a fake binding: which exit counts, and what ends the wait. */
import test from 'ava'
import { child, initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

const NO_SUCH = {
  code: 'ERR_NO_SUCH_PROCESS',
  message: 'pid: no such process is running, got 7. Call waitForExit() within a second of its exit.',
}

test('waitForExit resolves every wait with the exit of the process', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const waits = [monitor.waitForExit(7), monitor.waitForExit(7), monitor.waitForExit(8)]
  await settled(fake)
  // The interest must be in force before the native part watches the process.
  t.deepEqual(fake.source.interests, [[0b100, 0]])
  t.deepEqual(fake.source.calls, ['scan', 'watchExit 7', 'watchExit 7', 'watchExit 8'])
  fake.source.push(r.exit(9, { code: 1 }), r.exec(7), r.exit(7, { code: 3, ppid: 1 }))
  const [first, second] = await Promise.all(waits.slice(0, 2))
  t.like(first, { type: 'exit', pid: 7, exitCode: 3, ppid: 1 })
  t.is(first, second)
  t.deepEqual(fake.source.interests, [[0b100, 0]])
  fake.source.push(r.exit(8, { signal: 9 }))
  t.is((await waits[2]!).signal, 'SIGKILL')
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
})

test('waitForExit rejects for a process that is not running', async (t) => {
  const { monitor, fake } = await initialized(t)
  fake.behaviour.watchExit = () => false
  await t.throwsAsync(monitor.waitForExit(7), NO_SUCH)
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
})

test('for a running process, an exit before the answer belongs to an earlier process with its pid', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  fake.behaviour.watchExit = () => null
  const wait = monitor.waitForExit(7)
  await settled(fake)
  fake.source.push(
    r.exit(7, { code: 1 }),
    r.watched(1, true),
    r.exec(7),
    r.exit(7, { code: 2 }),
    r.exit(7, { code: 3 }),
  )
  t.is((await wait).exitCode, 2)
})

test('an exit between the call and the answer resolves the wait, and an exit before the call does not', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  fake.behaviour.watchExit = () => null
  monitor.subscribeExit(noop)
  fake.source.push(r.exit(7, { code: 1 }))
  await settled(fake)
  const late = monitor.waitForExit(7)
  const other = monitor.waitForExit(8)
  await settled(fake)
  fake.source.push(r.watched(1, false), r.exit(8, { code: 1 }), r.exit(8, { code: 2 }), r.watched(2, false))
  await t.throwsAsync(late, NO_SUCH)
  t.is((await other).exitCode, 2)
})

test('with a start time, an exit since the call counts only if it has that start time, or the answer names it', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  fake.behaviour.watchExit = () => null
  const waits = [7, 7, 8, 9, 10].map((pid) => monitor.waitForExit(pid, { startTime: 500 }))
  await settled(fake)
  const outcomes = waits.map((wait) =>
    wait.then(
      ({ exitCode }) => exitCode,
      ({ code }) => code,
    ),
  )
  fake.source.push(
    r.exit(7, { code: 1, process: { startTime: 499 } }),
    r.watched(1, false),
    r.exit(7, { code: 2, process: { startTime: 500 } }),
    r.watched(2, false),
    r.exit(8, { code: 3 }),
    r.watched(3, false),
    r.exit(9, { code: 4, time: 5 }),
    r.zombie(4, 9, { code: 4, time: 5 }),
    r.exit(10, { code: 6, time: 7 }),
    r.zombie(5, 10, { code: 5, time: 5 }),
  )
  t.deepEqual(await Promise.all(outcomes), ['ERR_NO_SUCH_PROCESS', 2, 'ERR_NO_SUCH_PROCESS', 4, 5])
})

test('waitForExit resolves for a zombie', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  fake.behaviour.watchExit = () => null
  const [coded, signalled, unknown] = [7, 8, 9].map((pid) => monitor.waitForExit(pid))
  await settled(fake)
  fake.source.push(r.zombie(1, 7, { code: 3, time: 5 }), r.zombie(2, 8, { signal: 9 }), r.zombie(3, 9))
  const timeMs = 1_700_000_000_000
  const unknowns = { ppid: null, durationNs: null, durationSince: null }
  const reported = { type: 'exit', timeMs, origin: 'resync', process: {}, coreDumped: false, ...unknowns }
  const nothing = { exitCode: null, signal: null }
  t.deepEqual<object, object>(await coded!, { ...reported, ...nothing, pid: 7, timestampNs: 5, exitCode: 3 })
  t.deepEqual<object, object>(await signalled!, { ...reported, ...nothing, pid: 8, timestampNs: 0, signal: 'SIGKILL' })
  t.deepEqual<object, object>(await unknown!, { ...reported, ...nothing, pid: 9, timestampNs: 0 })
})

test('an aborted signal rejects at once, and other waits continue', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const controller = new AbortController()
  const aborted = monitor.waitForExit(7, { signal: controller.signal })
  const other = monitor.waitForExit(7, { signal: new AbortController().signal })
  await settled(fake)
  controller.abort('enough')
  t.is((await t.throwsAsync(aborted, { name: 'AbortError', code: 'ABORT_ERR' })).cause, 'enough')
  fake.source.push(r.exit(7, { code: 0 }))
  t.is((await other).exitCode, 0)
  const { signal } = controller
  t.is((await t.throwsAsync(monitor.waitForExit(7, { signal }), { name: 'AbortError' })).cause, 'enough')
  t.is(fake.source.calls.filter((call: string) => call === 'watchExit 7').length, 2)
  // A wait is removed even if it is aborted before the native part was asked.
  const early = new AbortController()
  const waiting = monitor.waitForExit(9, { signal: early.signal })
  early.abort()
  await t.throwsAsync(waiting, { name: 'AbortError' })
  t.false(fake.source.calls.includes('watchExit 9'))
})

test('waitForExit rejects before initialize, and waits for a pending one', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  await t.throwsAsync(monitor.waitForExit(7), { code: 'ERR_STOPPED', message: /initialize/ })
  fake.behaviour.scan = () => null
  void monitor.initialize()
  const wait = monitor.waitForExit(7)
  await settled(fake)
  // During the bootstrap scan, answers come before live events.
  t.deepEqual(fake.source.calls, ['scan'])
  fake.source.push(r.scanned(1))
  await settled(fake)
  fake.source.push(r.exit(7, { code: 0 }))
  t.is((await wait).exitCode, 0)

  const stopped = monitor.waitForExit(7)
  const rejected = t.throwsAsync(stopped, { code: 'ERR_STOPPED' })
  await settled(fake)
  await monitor.stop()
  await rejected
  await t.throwsAsync(monitor.waitForExit(7), { code: 'ERR_STOPPED' })
})

test('a rejected initialize and a stop reject the pending waits', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  fake.behaviour.open = () => [r.failed('ERR_PERMISSION', 1, 'bind'), r.closed()]
  const initialize = monitor.initialize()
  await t.throwsAsync(monitor.waitForExit(7), { code: 'ERR_PERMISSION' })
  await t.throwsAsync(initialize)
  const again = monitor.initialize()
  const wait = monitor.waitForExit(7)
  const both = Promise.all([again, wait].map((promise) => t.throwsAsync(promise, { code: 'ERR_STOPPED' })))
  await monitor.stop()
  await both
})

test('a fatal failure rejects the waits and is not also uncaught', async (t) => {
  const { code, stdout } = await child(`
    monitor.initialize().then(() => {
      monitor.waitForExit(7).catch((e) => console.log(e.code))
      setTimeout(() => fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg'), 20)
    })`)
  t.deepEqual([code, stdout], [0, 'ERR_SOURCE_FAILED\n'])
})

test('waitForExit throws on arguments of a wrong type or range', async (t) => {
  const { monitor } = await initialized(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }
  for (const pid of [undefined, '1', null, 1n]) await t.throwsAsync(monitor.waitForExit(pid as never), type)
  for (const pid of [0, -1, 1.5, NaN, 2 ** 22 + 1]) await t.throwsAsync(monitor.waitForExit(pid), range)
  for (const options of [null, 1, { signal: {} }, { signal: 1 }]) {
    await t.throwsAsync(monitor.waitForExit(1, options as never), type)
  }
})
