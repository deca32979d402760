/** Failures and losses of the source, on a fake binding. */
import test from 'ava'
import { child, initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

test('a failed open rejects initialize after teardown, keeps subscriptions, and allows another initialize', async (t) => {
  const { api, monitor, fake, r } = loadFacade(t)
  const seen: number[] = []
  monitor.subscribeExec((pid) => seen.push(pid))
  monitor.on('error', () => t.fail('the rejection is enough'))
  fake.behaviour.open = () => [r.failed('ERR_PERMISSION', 1, 'bind')]
  let rejected = false
  const first = monitor.initialize()
  first.catch(() => (rejected = true))
  await settled(fake)
  t.false(rejected)
  fake.source.push(r.closed())
  const error = await t.throwsAsync(first, { instanceOf: api.ProcessMonitorError, name: 'ProcessMonitorError' })
  t.like(error, { code: 'ERR_PERMISSION', errno: -1, syscall: 'bind' })
  t.regex(error.message, /^bind: EPERM, operation not permitted\. .*CAP_NET_ADMIN/)
  t.deepEqual(fake.source.calls, ['join'])
  t.is(monitor.stats().source, null)

  fake.behaviour.open = () => [r.opened()]
  const second = monitor.initialize()
  t.not(second, first)
  await second
  fake.source.push(r.exec(7))
  await settled(fake)
  t.deepEqual(seen, [7])
})

test('a failure during or right after the bootstrap scan rejects initialize', async (t) => {
  for (const scanned of [false, true]) {
    const { monitor, fake, r } = loadFacade(t)
    monitor.on('error', () => t.fail('the rejection is enough'))
    fake.behaviour.scan = () => null
    const promise = monitor.initialize()
    await settled(fake)
    fake.source.push(...(scanned ? [r.scanned(1)] : []), r.failed('ERR_SOURCE_FAILED', 0, 'no answer'), r.closed())
    await t.throwsAsync(promise, {
      code: 'ERR_SOURCE_FAILED',
      message: 'no answer. Call initialize() to start again.',
    })
  }
})

test('each error code has a hint', async (t) => {
  for (const code of ['PERMISSION', 'PID_NAMESPACE', 'USER_NAMESPACE', 'NETWORK_NAMESPACE', 'CONNECTOR_UNAVAILABLE']) {
    const { monitor, fake, r } = loadFacade(t)
    fake.behaviour.open = () => [r.failed(`ERR_${code}`, 0, 'no acknowledgement'), r.closed()]
    const error = await t.throwsAsync(monitor.initialize(), { code: `ERR_${code}` })
    t.regex(error.message, /^no acknowledgement\. \w.{30,}\.$/)
    t.false('errno' in error || 'syscall' in error)
  }
})

test('a later failure ends monitoring, then emits error, and initialize starts again', async (t) => {
  const { monitor, fake } = await initialized(t)
  monitor.subscribeExec(noop)
  const first = fake.source
  const emitted = new Promise<Error>((resolve) => monitor.once('error', resolve))
  first.counters[0] = 5
  first.fail('ERR_SOURCE_FAILED', 105, 'recvmsg')
  t.like(await emitted, { code: 'ERR_SOURCE_FAILED', errno: -105, syscall: 'recvmsg' })
  t.deepEqual(first.calls, ['scan', 'join'])
  t.like(monitor.stats(), { source: null, events: 5, references: 1 })
  await monitor.initialize()
  t.is(fake.sources.length, 2)
  t.is(fake.source.firstInterest[0], 2)
})

test('a later failure without an error listener is uncaught and ends Node.js', async (t) => {
  const { code, stderr } = await child(
    `monitor.initialize().then(() => fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg'))`,
  )
  t.is(code, 1)
  t.regex(stderr, /ProcessMonitorError: recvmsg: EIO/)
})

test('a source that closes without an error is a failure', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const emitted = new Promise<Error>((resolve) => monitor.once('error', resolve))
  fake.source.push(r.closed())
  t.like(await emitted, { code: 'ERR_SOURCE_FAILED' })
})

test('loss and restart are emitted, and the drain continues after a listener throws', async (t) => {
  const { stdout, code } = await child(`
    const out = []
    process.on('uncaughtException', (e) => out.push('uncaught ' + e.message))
    monitor.on('loss', (report) => { out.push(report); throw new Error('mine') })
    monitor.on('restart', (e) => out.push(e.code + ' ' + e.errno))
    monitor.subscribeExec((pid) => out.push(pid))
    monitor.initialize().then(() => {
      fake.source.push(r.loss(1, 1000, 3, 4), r.restart('ERR_SOURCE_FAILED', 105, 'recvmsg'), r.exec(9))
      setTimeout(() => { console.log(JSON.stringify(out)); process.exit() }, 50)
    })`)
  t.is(code, 0)
  const report = { cause: 'queue', lost: 1000, recoveredExecs: 3, recoveredExits: 4 }
  t.deepEqual(JSON.parse(stdout), [report, 'ERR_SOURCE_FAILED -105', 9, 'uncaught mine'])
})
