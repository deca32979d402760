/** Names, renames and identities in the facade, on a fake binding. */
import test from 'ava'
import { initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

test('a name filter matches the name of the program or the present comm', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: string[] = []
  const on = (filter: string, options: object): void => {
    monitor.subscribe('comm', (pid) => seen.push(`${filter} ${pid}`), options)
  }
  on('old', { name: 'wine64' })
  on('new', { name: 'Game.exe' })
  on('pattern', { name: /^game/i })
  on('other', { name: 'other' })
  const renamed = { name: 'wine64', comm: 'Game.exe' }
  const [type, five] = ['comm', [1, 0, 0, 0, 0]]
  fake.source.push(r.event(type, 1, { five, process: renamed }))
  fake.source.push(r.event(type, 2, { five, process: { name: 'Game.exe', comm: 'Game.exe' } }))
  fake.source.push(r.event(type, 3, { five, process: { name: 'wine64', comm: null } }))
  fake.source.push(r.event(type, 4, { five }))
  await settled(fake)
  t.deepEqual(seen, ['old 1', 'new 1', 'pattern 1', 'new 2', 'pattern 2', 'old 3'])
})

test('recapture asks the native part for the arguments and the comm', async (t) => {
  const { monitor, fake } = await initialized(t)
  const off = monitor.subscribeExec(noop, { recapture: true })
  t.deepEqual(fake.source.rules, [{ types: 0b10, fields: 0b1000001000, recapture: true }])
  off()
  t.deepEqual(fake.source.rules, [])
  t.throws(() => monitor.subscribeExec(noop, { recapture: 1 } as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('kernelThreads is an option of the source', async (t) => {
  const { monitor, fake } = loadFacade(t)
  await t.throwsAsync(monitor.initialize({ kernelThreads: 1 } as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await monitor.initialize({ kernelThreads: true })
  t.true(fake.source.options.kernelThreads)
})

test('flush() resolves after the records that were queued before', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  monitor.subscribeExec((pid) => seen.push(pid))
  fake.source.push(r.exec(1), r.exec(2))
  const flushed = monitor.flush().then(() => seen.push('flushed'))
  fake.source.push(r.exec(3))
  await flushed
  await settled(fake)
  t.deepEqual(seen, [1, 2, 3, 'flushed'], 'all of one batch, because promises settle after it')
  t.deepEqual(fake.source.calls, ['scan', 'flush'])
})

test('flush() resolves when the events are in the queue of an iterator, whose loop ends after them', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: number[] = []
  const events = monitor.events({ types: ['exec'] })
  fake.source.push(r.exec(1), r.exec(2), r.exec(3))
  await monitor.flush()
  const { value } = await events.next()
  t.is(value?.pid, 1)
  const loop = (async () => {
    for await (const { pid } of events) seen.push(pid)
  })()
  t.deepEqual(seen, [], 'the loop takes them later')
  await monitor.stop()
  await loop
  t.deepEqual(seen, [2, 3])
})

test('flushes are answered by their ids', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  fake.behaviour.flush = () => false
  const settledOnes: string[] = []
  const first = monitor.flush().then(() => settledOnes.push('first'))
  const second = monitor.flush().then(() => settledOnes.push('second'))
  await settled(fake)
  fake.source.push(r.flushed(2))
  await second
  fake.source.push(r.flushed(1), r.flushed(1))
  await first
  t.deepEqual(settledOnes, ['second', 'first'])
})

test('flush() rejects without a start, after a stop, and with the failure of the source', async (t) => {
  const { monitor, fake } = loadFacade(t)
  await t.throwsAsync(monitor.flush(), { code: 'ERR_STOPPED' })
  fake.behaviour.flush = () => false
  void monitor.initialize()
  const stopped = monitor.flush()
  await settled(fake)
  void monitor.stop()
  await t.throwsAsync(stopped, { code: 'ERR_STOPPED' })
  await monitor.initialize()
  const failed = monitor.flush()
  await settled(fake)
  fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
  await t.throwsAsync(failed, { code: 'ERR_SOURCE_FAILED' })
})

test('flush() waits for a pending initialize()', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  fake.behaviour.scan = () => null
  const started = monitor.initialize()
  let isFlushed = false
  const flushed = monitor.flush().then(() => (isFlushed = true))
  await settled(fake)
  t.false(isFlushed)
  fake.source.push(r.scanned(1))
  await started
  await flushed
  t.true(isFlushed)
})

test('waitForExit passes the start time on', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const wait = monitor.waitForExit(7, { startTime: 900 })
  await settled(fake)
  t.deepEqual(fake.source.calls, ['scan', 'watchExit 7 of 900'])
  fake.source.push(r.exit(7, { code: 3 }))
  t.is((await wait).exitCode, 3)
  await t.throwsAsync(monitor.waitForExit(7, { startTime: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(monitor.waitForExit(7, { startTime: '9' } as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('signalProcess returns true if the signal was sent, and false if the process has exited', (t) => {
  const { api, fake } = loadFacade(t)
  const calls: unknown[] = []
  fake.behaviour.signalProcess = (...args: unknown[]) => {
    calls.push(args)
    return { sent: calls.length % 2 === 1 }
  }
  const process = { pid: 7, startTime: 900 }
  t.true(api.signalProcess(process, 'SIGTERM'))
  t.false(api.signalProcess(process, 0))
  api.signalProcess(process, 'SIGRTMIN+1')
  api.signalProcess(process, 'SIGRTMIN+30')
  api.signalProcess(process, 64)
  t.deepEqual(
    calls,
    [15, 0, 35, 64, 64].map((signal) => [7, 900, signal]),
  )
})

test('signalProcess throws a system error if the process may not be signalled', (t) => {
  const { api, fake } = loadFacade(t)
  const failing = (error: object): void => void (fake.behaviour.signalProcess = () => ({ sent: false, error }))
  const signal = (): boolean => api.signalProcess({ pid: 7, startTime: 900 }, 'SIGTERM')
  failing({ code: 0, errno: 1, syscall: 'pidfd_send_signal', context: 'to the process' })
  const error = t.throws(signal, { code: 'EPERM' }) as NodeJS.ErrnoException
  t.is(error.message, 'pidfd_send_signal EPERM: operation not permitted, pid 7')
  t.deepEqual([error.errno, error.syscall], [-1, 'pidfd_send_signal'])
  failing({ code: 7, errno: 0, context: 'its pids cannot be signalled' })
  t.throws(signal, { code: 'ERR_PROC_NAMESPACE' })
  failing({ code: 5, errno: 2, syscall: 'open', context: 'the proc file system' })
  t.throws(signal, { code: 'ERR_PROC_UNREADABLE' })
})

test('signalProcess checks its arguments before it signals', (t) => {
  const { api, fake } = loadFacade(t)
  fake.behaviour.signalProcess = () => t.fail()
  const wrong: [unknown, unknown, string][] = [
    [null, 'SIGTERM', 'ERR_INVALID_ARG_TYPE'],
    [7, 'SIGTERM', 'ERR_INVALID_ARG_TYPE'],
    [{ pid: 7 }, 'SIGTERM', 'ERR_INVALID_ARG_TYPE'],
    [{ pid: 7, startTime: null }, 'SIGTERM', 'ERR_INVALID_ARG_TYPE'],
    [{ pid: 0, startTime: 1 }, 'SIGTERM', 'ERR_OUT_OF_RANGE'],
    [{ pid: -1, startTime: 1 }, 'SIGTERM', 'ERR_OUT_OF_RANGE'],
    [{ pid: 7, startTime: 1.5 }, 'SIGTERM', 'ERR_OUT_OF_RANGE'],
    [{ pid: 7, startTime: 1 }, undefined, 'ERR_INVALID_ARG_TYPE'],
    [{ pid: 7, startTime: 1 }, 65, 'ERR_OUT_OF_RANGE'],
    [{ pid: 7, startTime: 1 }, -1, 'ERR_OUT_OF_RANGE'],
    [{ pid: 7, startTime: 1 }, 'TERM', 'ERR_UNKNOWN_SIGNAL'],
    [{ pid: 7, startTime: 1 }, 'SIGRTMIN+31', 'ERR_UNKNOWN_SIGNAL'],
    [{ pid: 7, startTime: 1 }, 'toString', 'ERR_UNKNOWN_SIGNAL'],
  ]
  for (const [process, signal, code] of wrong) {
    t.throws(
      () => api.signalProcess(process as never, signal as never),
      { code },
      `${JSON.stringify(process)} ${signal}`,
    )
  }
})
