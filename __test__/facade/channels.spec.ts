/** The diagnostics channels, on a fake binding. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import test, { type ExecutionContext } from 'ava'
import { child, initialized, settled } from '../support/fake/facade.ts'

/** Records the published messages. */
function listen(t: ExecutionContext, name: string): unknown[] {
  const messages: unknown[] = []
  const note = (message: unknown): void => void messages.push(message)
  subscribe(name, note)
  t.teardown(() => unsubscribe(name, note))
  return messages
}

test.serial('execs, exits and losses are published as the same objects that callbacks and listeners get', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  const lost: unknown[] = []
  monitor.subscribeExec((_, event) => seen.push(event), { uid: 5 })
  monitor.subscribeExit((_, event) => seen.push(event))
  monitor.on('loss', (report) => lost.push(report))
  const published = ['exec', 'exit', 'loss'].map((name) => listen(t, `proc-events:${name}`))
  fake.source.push(r.exec(1, { process: { uid: 5 } }), r.exec(2), r.exit(1, { code: 0 }), r.loss(0, 1, 2, 3))
  await settled(fake)
  const [execs, exits, losses] = published
  // A subscription's filter does not apply to channels.
  t.deepEqual(
    execs!.map((event) => (event as { pid: number }).pid),
    [1, 2],
  )
  t.deepEqual([execs![0], exits![0]], seen)
  t.is(execs![0], seen[0])
  t.is(exits![0], seen[1])
  t.is(losses![0], lost[0])
})

test.serial(
  'a channel alone creates no interest, so that events without a subscription are not published',
  async (t) => {
    const { monitor, fake, r } = await initialized(t)
    const execs = listen(t, 'proc-events:exec')
    t.deepEqual(fake.source.interests, [])
    const off = monitor.subscribeExec(() => {})
    fake.source.push(r.exec(1))
    await settled(fake)
    off()
    t.is(execs.length, 1)
    t.deepEqual(fake.source.interests.at(-1), [0, 0])
  },
)

test.serial('replayed events are not published', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const execs = listen(t, 'proc-events:exec')
  fake.behaviour.scan = () => [r.exec(1, { origin: 'bootstrap' })]
  monitor.subscribeExec(() => {}, { replay: true })
  await settled(fake)
  t.deepEqual(execs, [])
})

test('an exception of a channel listener is uncaught and does not affect the other subscribers', async (t) => {
  const { code, stdout } = await child(`
    const out = []
    process.on('uncaughtException', (e) => out.push('uncaught ' + e.message))
    require('node:diagnostics_channel').subscribe('proc-events:exec', () => { throw new Error('mine') })
    monitor.subscribeExec((pid) => out.push(pid))
    monitor.initialize().then(() => {
      fake.source.push(r.exec(1), r.exec(2))
      setTimeout(() => { console.log(JSON.stringify(out)); process.exit() }, 50)
    })`)
  t.is(code, 0)
  t.deepEqual(JSON.parse(stdout), [1, 2, 'uncaught mine', 'uncaught mine'])
})
