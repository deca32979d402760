/** `events()` on a fake binding: its queue, its ends, and its errors. */
import test from 'ava'
import type { ExecEvent, ExitEvent } from '../../dist/index.js'
import { child, initialized, loadFacade, settled } from '../support/fake/facade.ts'

const OVERFLOW = {
  code: 'ERR_QUEUE_OVERFLOW',
  message: /^events: the queue is full, more than 2 events were waiting\. /,
}
const DONE = { value: undefined, done: true }

test('events() records from the call on, yields execs and exits in order, and unsubscribes when the loop is left', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events = monitor.events()
  t.deepEqual(fake.source.interests.at(-1), [0b110, 0])
  fake.source.push(r.exec(1), r.exit(1, { code: 3 }), r.event('fork', 2), r.exec(2))
  await settled(fake)
  const seen: (ExecEvent | ExitEvent)[] = []
  for await (const event of events) {
    seen.push(event)
    if (seen.length === 3) break
  }
  t.deepEqual(
    seen.map(({ type, pid }) => [type, pid]),
    [
      ['exec', 1],
      ['exit', 1],
      ['exec', 2],
    ],
  )
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
  t.deepEqual<object, object>(await events.next(), DONE)
})

test('events() takes the types, filter and capture of a subscription', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events = monitor.events({ types: ['fork', 'exit', 'exit'], uid: 5, capture: ['name'] })
  t.deepEqual(fake.source.interests.at(-1), [0b101, 0b100001])
  const ended = (uid: number): number[] => r.exit(uid, { process: { uid } })
  fake.source.push(r.exec(5, { process: { uid: 5 } }), ended(4), ended(5), r.event('fork', 6))
  await settled(fake)
  await monitor.stop()
  const pids: number[] = []
  for await (const { pid } of events) pids.push(pid)
  t.deepEqual(pids, [5])
})

test('after an overflow events() yields the queued events, then rejects', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events = monitor.events({ queueSize: 2 })
  fake.source.push(r.exec(1), r.exec(2), r.exec(3))
  await settled(fake)
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
  fake.source.push(r.exec(4))
  const pids: number[] = []
  await t.throwsAsync(async () => {
    for await (const { pid } of events) pids.push(pid)
  }, OVERFLOW)
  t.deepEqual(pids, [1, 2])
  t.deepEqual<object, object>(await events.next(), DONE)
})

test('concurrent calls of next() settle in order', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events = monitor.events({ queueSize: 1 })
  const answers = [events.next(), events.next(), events.next(), events.next()]
  fake.source.push(r.exec(1), r.exec(2))
  await settled(fake)
  t.deepEqual<object, object>(await events.return!(), DONE)
  const results = await Promise.all(answers)
  t.deepEqual(
    results.map(({ value }) => value?.pid),
    [1, 2, undefined, undefined],
  )
})

test('an aborted signal rejects at once with its reason as the cause, despite queued events', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  for (const isWaiting of [false, true]) {
    const controller = new AbortController()
    const events = monitor.events({ signal: controller.signal })
    const waiting = isWaiting ? [events.next(), events.next()] : []
    if (!isWaiting) fake.source.push(r.exec(1), r.exec(2))
    await settled(fake)
    const reason = new Error('enough')
    controller.abort(reason)
    t.deepEqual(fake.source.interests.at(-1), [0, 0])
    const [first, second] = isWaiting ? waiting : [events.next(), events.next()]
    const error = await t.throwsAsync(first!, { name: 'AbortError', code: 'ABORT_ERR' })
    t.is(error.cause, reason)
    t.deepEqual<object, object>(await second!, DONE)
  }
  const events = monitor.events({ signal: AbortSignal.abort('before') })
  t.is((await t.throwsAsync(events.next(), { name: 'AbortError' })).cause, 'before')
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
})

test('an abort after the end drops queued events, and has no effect once the queue is empty', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const controller = new AbortController()
  const [held, given] = [monitor.events({ signal: controller.signal }), monitor.events({ signal: controller.signal })]
  fake.source.push(r.exec(1))
  await settled(fake)
  await monitor.stop()
  t.is((await given.next()).value.pid, 1)
  controller.abort()
  await t.throwsAsync(held.next(), { name: 'AbortError' })
  t.deepEqual<object, object>([await held.next(), await given.next()], [DONE, DONE])
})

test('throw(), return(), dispose and the last stop() unsubscribe', async (t) => {
  for (const how of ['throw', 'return', 'dispose', 'stop']) {
    const { monitor, fake } = await initialized(t)
    const events = monitor.events() as ReturnType<typeof monitor.events> & AsyncDisposable
    const waiting = events.next()
    if (how === 'throw') await t.throwsAsync(events.throw!(new Error('mine')), { message: 'mine' })
    if (how === 'return') t.deepEqual<object, object>(await events.return!(), DONE)
    if (how === 'dispose') await events[Symbol.asyncDispose]()
    if (how === 'stop') await monitor.stop()
    else t.deepEqual(fake.source.interests.at(-1), [0, 0], how)
    t.deepEqual<object, object>(await waiting, DONE)
    t.deepEqual<object, object>(await events.next(), DONE)
  }
})

test('a fatal failure rejects after the queued events, and is not also uncaught', async (t) => {
  const { code, stdout } = await child(`
    const out = []
    process.on('uncaughtException', (e) => out.push('uncaught ' + e.code))
    monitor.initialize().then(async () => {
      const events = monitor.events()
      fake.source.push(r.exec(1))
      fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
      await new Promise((resolve) => setTimeout(resolve, 30))
      try { for await (const { pid } of events) out.push(pid) } catch (e) { out.push(e.code) }
      out.push(await events.next())
      await monitor.initialize()
      fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
      setTimeout(() => console.log(JSON.stringify(out)), 30)
    })`)
  t.is(code, 0)
  t.deepEqual(JSON.parse(stdout), [1, 'ERR_SOURCE_FAILED', { done: true }, 'uncaught ERR_SOURCE_FAILED'])
})

test('an error listener also gets a failure that an iterator rejects with', async (t) => {
  const { monitor, fake } = await initialized(t)
  const events = monitor.events()
  const emitted = new Promise<Error>((resolve) => monitor.once('error', resolve))
  fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
  t.is(await t.throwsAsync(events.next(), { code: 'ERR_SOURCE_FAILED' }), (await emitted) as never)
})

test('a rejected initialize does not end an iterator', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const events = monitor.events()
  fake.behaviour.open = () => [r.failed('ERR_PERMISSION', 1, 'bind'), r.closed()]
  await t.throwsAsync(monitor.initialize(), { code: 'ERR_PERMISSION' })
  fake.behaviour.open = () => [r.opened()]
  fake.behaviour.scan = () => [r.exec(1, { origin: 'bootstrap' })]
  await monitor.initialize()
  t.is((await events.next()).value.pid, 1)
})

test('reading from a long queue is as fast as from a short one', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const events = monitor.events()
  const record = r.exec(1)
  fake.source.queue = Array.from({ length: 60_000 }, () => record)
  // The fake itself handles records one by one.
  fake.source.queue.shift = Array.prototype.pop
  fake.source.push(record)
  await settled(fake)
  const started = performance.now()
  for (let i = 0; i < 60_000; i++) await events.next()
  t.true(performance.now() - started < 2000)
})

test('events() throws on options of a wrong type or range', (t) => {
  const { monitor } = loadFacade(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }
  for (const options of [null, 1, { types: 'exec' }, { types: [1] }, { queueSize: '1' }, { signal: {} }, { name: 1 }]) {
    t.throws(() => monitor.events(options as never), type, JSON.stringify(options))
  }
  for (const options of [{ types: [] }, { types: ['exce'] }, { capture: ['nam'] }]) {
    t.throws(() => monitor.events(options as never), value, JSON.stringify(options))
  }
  for (const options of [{ queueSize: 0 }, { queueSize: 2 ** 31 }, { uid: -1 }]) {
    t.throws(() => monitor.events(options as never), range, JSON.stringify(options))
  }
  t.throws(() => monitor.events({ queueSize: 0, signal: AbortSignal.abort() }), range)
})
