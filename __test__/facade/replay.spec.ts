/** Subscriptions with `replay`, on a fake binding. Only they get the running processes, and each process once. */
import test from 'ava'
import type { ExecEvent } from '../../dist/index.js'
import { type Fake, initialized, loadFacade, settled } from '../support/fake/facade.ts'

/** Returns a callback that records its events. */
function noting(seen: string[], name = ''): (pid: number, event: { type: string; origin: string }) => void {
  return (pid, { type, origin }) => seen.push(`${name}${type} ${pid} ${origin}`)
}

/** Returns a facade whose scans the test answers. */
async function withScans(t: Parameters<typeof initialized>[0]): Promise<Fake & { scans: number[] }> {
  const facade = await initialized(t)
  const scans: number[] = []
  facade.fake.behaviour.scan = (_: unknown, id: number) => void scans.push(id)
  return { ...facade, scans }
}

test('a replay after initialize reports the running processes first, to this subscription only', async (t) => {
  const { monitor, fake, r, scans } = await withScans(t)
  const others: string[] = []
  const seen: string[] = []
  monitor.subscribeExec(noting(others))
  monitor.subscribeExec(noting(seen), { replay: true })
  monitor.subscribeExec(noting(others, 'late '))
  // A replay needs exits, and their interest must be in force before the scan.
  t.deepEqual(fake.source.interests, [
    [0b10, 0],
    [0b110, 0],
  ])
  t.deepEqual(scans, [2])
  const found = [1, 2].map((pid) => r.exec(pid, { origin: 'bootstrap' }))
  fake.source.push(r.exec(3), ...r.found(2, ...found), r.scanned(2), r.exec(4))
  await settled(fake)
  t.deepEqual(seen, ['exec 1 bootstrap', 'exec 2 bootstrap', 'exec 3 kernel', 'exec 4 kernel'])
  const live = ['exec 3 kernel', 'late exec 3 kernel', 'exec 4 kernel', 'late exec 4 kernel']
  t.deepEqual(others, live)
  t.deepEqual(fake.source.interests.at(-1), [0b10, 0])
})

test('a replay reports each process once, and never an exit before its exec', async (t) => {
  const { monitor, fake, r } = await withScans(t)
  const seen: string[] = []
  monitor.subscribeExec(noting(seen), { replay: true })
  monitor.subscribeExit(noting(seen))
  monitor.subscribe('comm', noting(seen))
  const found = [1, 3, 4, 6].map((pid) => r.exec(pid, { origin: 'bootstrap' }))
  fake.source.push(
    // 1 started and still runs. 2 has exited. 3 has executed another program. 4 was reported already. The pid of 6 is
    // reused by a process that never called exec.
    ...[1, 2, 3, 4, 6].map((pid) => r.exec(pid)),
    r.exit(2),
    r.exec(3),
    r.comm(4, 4, 'x'),
    r.exit(5),
    r.exit(6),
    ...r.found(2, ...found),
    r.scanned(2),
  )
  await settled(fake)
  t.deepEqual(seen, [
    'exec 2 kernel',
    'exit 2 kernel',
    'exec 3 kernel',
    'exec 4 kernel',
    'comm 4 kernel',
    'exit 5 kernel',
    'exec 6 kernel',
    'exit 6 kernel',
    'exec 6 bootstrap',
    'exec 1 kernel',
    'exec 3 kernel',
  ])
})

test('a replay applies the filter and has the details of the scan', async (t) => {
  const { monitor, fake, r } = await withScans(t)
  const seen: ExecEvent[] = []
  monitor.subscribeExec((_, event) => seen.push(event), { replay: true, name: 'sh' })
  const named = (pid: number, name: string, origin: string): number[] => r.exec(pid, { origin, process: { name } })
  const found = [named(1, 'sh', 'bootstrap'), named(2, 'ls', 'bootstrap'), r.exec(3, { origin: 'bootstrap' })]
  fake.source.push(named(4, 'ls', 'kernel'), named(5, 'sh', 'kernel'), ...r.found(2, ...found), r.scanned(2))
  await settled(fake)
  t.deepEqual(
    seen.map(({ pid, process }) => [pid, process.name]),
    [
      [1, 'sh'],
      [5, 'sh'],
    ],
  )
})

test('overlapping replays each get their whole scan, in any order of answers', async (t) => {
  const { monitor, fake, r, scans } = await withScans(t)
  const seen: Record<string, string[]> = { a: [], b: [] }
  monitor.subscribeExec(noting(seen['a']!), { replay: true })
  monitor.subscribeExec(noting(seen['b']!), { replay: true })
  t.deepEqual(scans, [2, 3])
  const found = (id: number, ...pids: number[]): number[][] =>
    r.found(id, ...pids.map((pid) => r.exec(pid, { origin: 'bootstrap' })))
  fake.source.push(...found(3, 1, 2), r.scanned(3), r.exec(3), ...found(2, 1, 2, 3), r.scanned(2), r.exec(4))
  await settled(fake)
  const live = ['exec 3 kernel', 'exec 4 kernel']
  t.deepEqual(seen, {
    a: ['exec 1 bootstrap', 'exec 2 bootstrap', ...live],
    b: ['exec 1 bootstrap', 'exec 2 bootstrap', ...live],
  })
})

test('a replay needs its own scan only if the bootstrap scan is being reported', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const scans: number[] = []
  fake.behaviour.scan = (_: unknown, id: number) => void scans.push(id)
  const seen: Record<string, string[]> = { before: [], meanwhile: [], amid: [] }
  monitor.subscribeExec(noting(seen['before']!), { replay: true })
  const initialize = monitor.initialize()
  monitor.subscribeExec(noting(seen['meanwhile']!), { replay: true })
  await settled(fake)
  monitor.subscribeExec((pid) => {
    if (pid === 1) monitor.subscribeExec(noting(seen['amid']!), { replay: true })
  })
  const found = (id: number): number[][] => r.found(id, ...[1, 2].map((pid) => r.exec(pid, { origin: 'bootstrap' })))
  fake.source.push(...found(1), r.scanned(1), r.exec(3), ...found(2), r.scanned(2))
  await settled(fake)
  await initialize
  t.deepEqual(scans, [1, 2])
  const all = ['exec 1 bootstrap', 'exec 2 bootstrap', 'exec 3 kernel']
  t.deepEqual(seen, { before: all, meanwhile: all, amid: all })
})

test('an unsubscribed callback gets no replay and no pending event', async (t) => {
  const { monitor, fake, r } = await withScans(t)
  const seen: string[] = []
  const off = monitor.subscribeExec(noting(seen, 'gone '), { replay: true })
  const within = monitor.subscribeExec(
    (pid, event) => {
      noting(seen)(pid, event)
      within()
    },
    { replay: true },
  )
  const found = (id: number): number[][] => r.found(id, ...[1, 2].map((pid) => r.exec(pid, { origin: 'bootstrap' })))
  fake.source.push(r.exec(3), r.exec(4))
  await settled(fake)
  off()
  fake.source.push(...found(2), r.scanned(2), ...found(3), r.scanned(3), r.exec(5))
  await settled(fake)
  t.deepEqual(seen, ['exec 1 bootstrap'])
  t.deepEqual(fake.source.interests.at(-1), [0, 0])
})

test('if the source fails before the scan, pending events are delivered and the next start reports all processes', async (t) => {
  const { monitor, fake, r } = await withScans(t)
  const seen: string[] = []
  monitor.on('error', () => seen.push('error'))
  monitor.subscribeExec(noting(seen), { replay: true })
  fake.source.push(r.exec(3), ...r.found(2, r.exec(1, { origin: 'bootstrap' })))
  fake.source.fail('ERR_SOURCE_FAILED', 5, 'recvmsg')
  await settled(fake)
  fake.behaviour.scan = () => [r.exec(1, { origin: 'bootstrap' })]
  await monitor.initialize()
  t.deepEqual(seen, ['exec 1 bootstrap', 'exec 3 kernel', 'error', 'exec 1 bootstrap'])
})

test('events() replays the running processes, then yields execs and exits', async (t) => {
  const { monitor, fake, r } = await withScans(t)
  const events = monitor.events({ replay: true })
  const found = [1, 2].map((pid) => r.exec(pid, { origin: 'bootstrap' }))
  fake.source.push(r.exec(3), r.exec(4), r.exit(4), ...r.found(2, ...found), r.scanned(2), r.exit(1))
  await settled(fake)
  await monitor.stop()
  const seen: string[] = []
  for await (const event of events) noting(seen)(event.pid, event)
  t.deepEqual(seen, [
    'exec 4 kernel',
    'exit 4 kernel',
    'exec 1 bootstrap',
    'exec 2 bootstrap',
    'exec 3 kernel',
    'exit 1 kernel',
  ])
})

test('replay has no effect for other types, and rejects a value that is not a boolean', async (t) => {
  const { monitor, scans } = await withScans(t)
  monitor.subscribeExit(() => {}, { replay: true })
  monitor.subscribeExec(() => {}, { replay: false })
  t.deepEqual(scans, [])
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  for (const replay of [1, 'true', null]) t.throws(() => monitor.subscribeExec(() => {}, { replay } as never), type)
})
