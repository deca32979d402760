/** The monitor's lifecycle on a fake binding: start, stop, references, and keeping Node.js running. */
import { type EventEmitter, errorMonitor, once } from 'node:events'
import test from 'ava'
import { child, initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

test('getProcessMonitor() returns the one monitor and takes a reference', async (t) => {
  const { api, monitor } = loadFacade(t)
  for (let i = 2; i <= 10; i++) {
    t.is(api.getProcessMonitor(), monitor)
    t.is(monitor.stats().references, i)
  }
  for (let i = 9; i >= 0; i--) {
    await monitor.stop()
    t.is(monitor.stats().references, i)
  }
  await monitor.stop()
  t.is(monitor.stats().references, 0)
})

test('initialize() opens the source and scans once', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const seen: number[] = []
  monitor.subscribeExec((pid) => seen.push(pid), { capture: ['name', 'argv'] })
  fake.behaviour.scan = () => [1, 2, 3].map((pid) => r.exec(pid, { origin: 'bootstrap' }))
  const first = monitor.initialize({
    receiveBufferSize: 4096,
    queueSize: 64,
    maxArgvBytes: 512,
    procRoot: '/host/proc',
  })
  t.is(monitor.initialize(), first)
  await first
  t.is(monitor.initialize({ queueSize: 1 }), first)
  t.deepEqual(seen, [1, 2, 3])
  t.is(fake.sources.length, 1)
  t.deepEqual(fake.source.calls, ['scan'])
  t.deepEqual(fake.source.options, {
    source: 0,
    pollingInterval: 250,
    effort: 1,
    receiveBufferSize: 4096,
    queueSize: 64,
    maxArgvBytes: 512,
    kernelThreads: false,
    maxLatency: 0,
    procRoot: '/host/proc',
    raisePriority: true,
    rules: [{ types: 1 << 1, fields: 1 | (1 << 3) }],
  })
})

test('a listener for an event that the monitor never emits throws', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const emitter = monitor as EventEmitter
  const add = ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const
  const listed = "The argument 'eventName' must be one of: 'loss', 'restart', 'error'. Received"
  const cases = [
    ['exec', "'exec'. Call subscribe('exec', callback) for the events of processes."],
    ['exit', "'exit'. Call subscribe('exit', callback) for the events of processes."],
    ['spawn', "'spawn'. Call subscribe('exec', callback) for the events of processes."],
    ['los', "'los'. Did you mean 'loss'?"],
    ['message', "'message'"],
  ] as const
  for (const method of add) {
    for (const [name, ending] of cases) {
      const message = `${listed} ${ending}`
      t.throws(() => emitter[method](name, noop), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE', message })
    }
    t.throws(() => emitter[method](undefined as never, noop), { code: 'ERR_INVALID_ARG_TYPE' })
    t.throws(() => emitter[method]('loss', 1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  await t.throwsAsync(once(monitor, 'exec'), { code: 'ERR_INVALID_ARG_VALUE' })
  t.deepEqual(monitor.eventNames(), [])

  const seen: unknown[] = []
  for (const method of add) emitter[method]('loss', () => seen.push(method))
  emitter.on(errorMonitor, noop).on('removeListener', noop).on('newListener', noop)
  t.is(monitor.listenerCount('loss'), add.length)
  fake.source.push(r.loss(0, 1, 0, 0))
  await settled(fake)
  t.deepEqual(seen, ['prependOnceListener', 'prependListener', 'on', 'once', 'addListener'])
  t.is(monitor.listenerCount('loss'), 3)
  monitor.removeAllListeners()
})

test('the proc root is $HOST_PROC or /proc, and the native part chooses the sizes', async (t) => {
  const script = 'monitor.initialize().then(() => { console.log(JSON.stringify(fake.source.options)); process.exit() })'
  const given = JSON.parse((await child(script, { env: { HOST_PROC: '/host/proc' } })).stdout)
  t.is(given.procRoot, '/host/proc')
  t.is(given.receiveBufferSize, 0)
  t.is(given.queueSize, 0)
  t.is(given.maxArgvBytes, 0)
  t.is(JSON.parse((await child(script, { env: { HOST_PROC: '' } })).stdout).procRoot, '/proc')
})

test('initialize() resolves after the bootstrap scan has been delivered', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  fake.behaviour.scan = () => null
  let done = false
  const promise = monitor.initialize().then(() => (done = true))
  await settled(fake)
  t.false(done)
  t.is(monitor.stats().source, 'netlink')
  fake.source.push(r.scanned(1))
  await promise
  t.true(done)
})

test('the last stop() drains, joins and ends all calls, and initialize() starts again', async (t) => {
  const { api, monitor, fake, r } = await initialized(t)
  api.getProcessMonitor()
  const seen: number[] = []
  monitor.subscribeExec((pid) => seen.push(pid))
  await monitor.stop()
  t.deepEqual(fake.source.calls, ['scan'])
  fake.behaviour.closeAfter = 20
  const first = fake.source
  const interests = first.interests.length
  const promise = monitor.stop()
  t.is(monitor.stop(), promise)
  first.push(r.exec(1), r.loss(0, 1, 0, 0))
  await promise
  t.deepEqual(first.calls, ['scan', 'stop', 'join'])
  t.deepEqual(seen, [])
  t.is(first.interests.length, interests)
  t.is(monitor.stats().source, null)
  await monitor.stop()

  await monitor.initialize()
  t.is(fake.sources.length, 2)
  t.deepEqual(fake.source.firstInterest, [0, 0])
  await monitor.stop()
  t.deepEqual(fake.source.calls, ['scan', 'stop', 'join'])
})

test('a stop within a callback ends all calls amid a drain', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: string[] = []
  let stopped: Promise<void> | undefined
  monitor.subscribeExec((pid) => {
    seen.push(`first ${pid}`)
    stopped = monitor.stop()
  })
  monitor.subscribeExec((pid) => seen.push(`second ${pid}`))
  monitor.on('loss', () => seen.push('loss'))
  fake.source.push(r.exec(1), r.exec(2), r.loss(0, 1, 0, 0))
  await settled(fake)
  await stopped
  t.deepEqual(seen, ['first 1'])
  t.deepEqual(fake.source.calls, ['scan', 'stop', 'join'])
})

test('stop() rejects a pending initialize() before, during and right after the scan', async (t) => {
  for (const phase of ['opening', 'scan', 'scanned']) {
    const { monitor, fake, r } = loadFacade(t)
    if (phase === 'opening') fake.behaviour.open = () => null
    fake.behaviour.scan = () => null
    let stopped: Promise<void> | undefined
    monitor.subscribeExec(() => (stopped = monitor.stop()))
    const promise = monitor.initialize()
    promise.catch(noop)
    if (phase !== 'opening') await settled(fake)
    if (phase === 'scanned') {
      fake.source.push(r.scanned(1), r.exec(1))
      await settled(fake)
    } else {
      stopped = monitor.stop()
    }
    await t.throwsAsync(promise, { code: 'ERR_STOPPED' }, phase)
    await stopped
    t.deepEqual(fake.source.calls.slice(-2), ['stop', 'join'])
  }
})

test('initialize() during a stop waits for it, and another stop rejects it', async (t) => {
  const { monitor, fake } = await initialized(t)
  fake.behaviour.closeAfter = 20
  const stopped = monitor.stop()
  const again = monitor.initialize()
  t.is(monitor.initialize(), again)
  await stopped
  await again
  t.is(fake.sources.length, 2)
  t.deepEqual(fake.sources[0].calls, ['scan', 'stop', 'join'])
  t.deepEqual(fake.sources[1].calls, ['scan'])

  const second = monitor.stop()
  const waiting = monitor.initialize()
  t.is(monitor.stop(), second)
  const anew = monitor.initialize()
  t.not(anew, waiting)
  await t.throwsAsync(waiting, { code: 'ERR_STOPPED' })
  await anew
  t.is(fake.sources.length, 3)
})

test('thirty rounds of starting and stopping open and close thirty sources', async (t) => {
  const { api, monitor, fake, r } = loadFacade(t)
  let seen = 0
  for (let round = 1; round <= 30; round++) {
    if (round > 1) api.getProcessMonitor()
    monitor.subscribeExec(() => seen++)
    await monitor.initialize()
    fake.source.push(r.exec(round))
    await settled(fake)
    await monitor[Symbol.asyncDispose]()
    t.is(seen, round)
  }
  t.true(fake.sources.every((source: { calls: string[] }) => source.calls.join() === 'scan,stop,join'))
})

test('stats are zero before the start, current while monitoring, and gauges are zero afterwards', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const { references, source, watching, priority, ...before } = monitor.stats()
  t.is(references, 1)
  t.deepEqual([source, watching, priority], [null, null, null])
  t.deepEqual([...new Set(Object.values(before))], [0])
  monitor.subscribeExec(noop)
  await monitor.initialize()
  fake.source.push(r.exec(1), r.exec(2))
  await settled(fake)
  fake.source.counters = [...Array.from({ length: 15 }, (_, i) => i + 1), 2, 17, 18, 19, 20, 21, 22, 23, 2, 25]
  const now = {
    source: 'netlink',
    watching: 'cursor',
    unseen: 22,
    exitsWithoutStatus: 23,
    events: 1,
    exec: 2,
    exit: 3,
    restart: 4,
    reinitFailed: 5,
    processScanFailed: 6,
    callbackExecuted: 2,
    lostSocket: 7,
    lostQueue: 8,
    resync: 9,
    queueDepth: 10,
    queueHighWater: 11,
    receiveBufferSize: 12,
    trackedProcesses: 13,
    rejected: 14,
    ignored: 15,
    captureTimeouts: 17,
    stuckThreads: 18,
    detailsDropped: 19,
    usageLost: 25,
    batches: 20,
    largestBatch: 21,
    priority: 'realtime',
    references: 1,
  }
  t.deepEqual<object, object>(monitor.stats(), now)
  await monitor.stop()
  const gauges = {
    source: null,
    watching: null,
    priority: null,
    queueDepth: 0,
    receiveBufferSize: 0,
    trackedProcesses: 0,
    stuckThreads: 0,
    references: 0,
  }
  t.deepEqual<object, object>(monitor.stats(), { ...now, ...gauges })
})

test('an initialized monitor keeps Node.js running until it is stopped', async (t) => {
  const { code, stdout, took } = await child(`
    monitor.initialize().then(() => setTimeout(() => monitor.stop().then(() => console.log('stopped')), 300).unref())
    fake.behaviour.closeAfter = 200`)
  // The unref'd timers fire only because the monitor, and then its stop, keep Node.js running.
  t.deepEqual([code, stdout], [0, 'stopped\n'])
  t.true(took >= 500)
})

test('an unref’d monitor lets Node.js end after initialize and stop', async (t) => {
  const first = await child(`
    fake.behaviour.open = (source) => void setTimeout(() => source.push(r.opened()), 200).unref()
    monitor.unref().initialize().then(() => console.log('initialized'))`)
  t.deepEqual([first.code, first.stdout], [0, 'initialized\n'])
  const second = await child(`
    fake.behaviour.closeAfter = 200
    monitor.initialize().then(() => { monitor.unref(); monitor.ref(); monitor.unref(); return monitor.stop() })
      .then(() => console.log('stopped'))`)
  t.deepEqual([second.code, second.stdout], [0, 'stopped\n'])
})
