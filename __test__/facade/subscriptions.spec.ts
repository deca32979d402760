/** Subscriptions on a fake binding: callbacks, interest, and the drain's use of the event loop. */
import { getEventListeners } from 'node:events'
import test from 'ava'
import { child, initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

test('the interest follows the subscriptions, and is sent only when it changes', async (t) => {
  const { monitor, fake } = await initialized(t)
  const ends = [
    monitor.subscribeExec(noop, { name: 'sh' }),
    monitor.subscribeExec(() => {}, { capture: ['name'] }),
    monitor.subscribeExit(noop, { capture: ['ppid'], name: /x/, commandLine: 'x', uid: 1 }),
    monitor.subscribe('coredump', noop, { exe: 'x', cgroup: 'y', capture: ['startTime', 'cwd', 'gid'] }),
  ]
  t.deepEqual(fake.source.interests, [
    [0b10, 0b1000000001],
    [0b110, 0b1000101011],
    [0b100000110, 0b1111111111],
  ])
  fake.source.interests.length = 0
  ends.forEach((end) => end())
  t.deepEqual(
    fake.source.interests,
    [
      [0b100000110, 0b1111111111],
      [0b100000100, 0b1111111111],
      [0b100000000, 0b111010100],
      [0, 0],
    ].slice(1),
  )
})

test('the same callback twice throws for one type, but not for two types', async (t) => {
  const { monitor } = loadFacade(t)
  const unsubscribe = monitor.subscribeExec(noop)
  t.throws(() => monitor.subscribe('exec', noop, { name: 'x' }), { code: 'ERR_CALLBACK_REGISTERED', message: /'exec'/ })
  monitor.subscribeExit(noop)
  unsubscribe()
  unsubscribe()
  monitor.subscribeExec(noop)
  unsubscribe()
  t.throws(() => monitor.subscribeExec(noop), { code: 'ERR_CALLBACK_REGISTERED' })
})

test('subscribe and unsubscribe within a callback take effect at once', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: string[] = []
  const first = monitor.subscribeExec((pid) => {
    seen.push(`first ${pid}`)
    if (pid !== 1) return
    second()
    first[Symbol.dispose]()
    monitor.subscribeExec((pid) => seen.push(`third ${pid}`))
  })
  const second = monitor.subscribeExec((pid) => seen.push(`second ${pid}`))
  monitor.subscribeExec((pid) => seen.push(`last ${pid}`))
  fake.source.push(r.exec(1), r.exec(2))
  await settled(fake)
  t.deepEqual(seen, ['first 1', 'last 1', 'last 2', 'third 2'])
})

test('each rule is sent once when it is added and once when it is removed', async (t) => {
  const { monitor, fake } = await initialized(t)
  const many = 1000
  const ends = Array.from({ length: many }, (_, i) => monitor.subscribeExec(() => {}, { name: `n${i}`, uid: 7 }))
  t.is(fake.source.ruleCalls, many)
  t.deepEqual(fake.source.rules[5], { types: 0b10, fields: 0b1000100001, uid: 7, name: 'n5' })
  t.is(fake.source.rules.length, many)
  const controller = new AbortController()
  const waits = Array.from({ length: many }, (_, i) => monitor.waitForExit(i + 1, { signal: controller.signal }))
  t.is(fake.source.ruleCalls, 2 * many)
  t.deepEqual(fake.source.rules.at(-1), { types: 0b100, fields: 0, pid: many })
  ends.forEach((end) => end())
  controller.abort()
  await Promise.allSettled(waits)
  t.is(fake.source.ruleCalls, 4 * many)
  t.deepEqual(fake.source.rules, [])
})

test('a source opens with the current rules, including those of waits', async (t) => {
  const { monitor, fake } = loadFacade(t)
  const off = monitor.subscribeExec(noop, { exe: '/bin/sh' })
  monitor.subscribeExit(noop, { ancestor: 9, capture: ['uid'] })
  off()
  await monitor.initialize()
  const [rule] = fake.source.options.rules
  t.deepEqual(fake.source.options.rules, [{ types: 0b100, fields: 0b100000, ancestor: 9, ancestorId: rule.ancestorId }])
  void monitor.stop()
  const again = monitor.initialize()
  const wait = monitor.waitForExit(7)
  monitor.subscribe('sid', noop)
  await again
  t.deepEqual(fake.source.options.rules, [
    { types: 0b100, fields: 0, pid: 7 },
    { types: 0b1000000, fields: 0 },
  ])
  void monitor.stop()
  await t.throwsAsync(wait, { code: 'ERR_STOPPED' })
})

test('ten callbacks of each type get the same event object', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen = { exec: [] as object[], exit: [] as object[] }
  for (let i = 0; i < 10; i++) {
    monitor.subscribeExec((_, event) => seen.exec.push(event))
    monitor.subscribeExit((_, event) => seen.exit.push(event))
  }
  fake.source.push(r.exec(1), r.exit(1, { code: 0 }))
  await settled(fake)
  t.deepEqual([seen.exec.length, new Set(seen.exec).size], [10, 1])
  t.deepEqual([seen.exit.length, new Set(seen.exit).size], [10, 1])
})

test('an abort signal ends a subscription, and an aborted signal prevents it', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: string[] = []
  const controller = new AbortController()
  const { signal } = controller
  monitor.subscribeExec((pid) => (seen.push(`first ${pid}`), pid === 2 && controller.abort()), { signal })
  monitor.subscribeExec((pid) => seen.push(`second ${pid}`), { signal })
  fake.source.push(r.exec(1), r.exec(2), r.exec(3))
  await settled(fake)
  t.deepEqual(seen, ['first 1', 'second 1', 'first 2'])
  const unsubscribe = monitor.subscribeExec(noop, { signal })
  monitor.subscribeExec(noop)
  unsubscribe()
  t.throws(() => monitor.subscribeExec(noop), { code: 'ERR_CALLBACK_REGISTERED' })
})

test('one signal for many subscriptions, waits and iterators has one listener, and none after they end', async (t) => {
  const { monitor, fake } = await initialized(t)
  fake.behaviour.watchExit = () => null
  const { signal } = new AbortController()
  const calls: string[] = []
  for (const name of ['addEventListener', 'removeEventListener'] as const) {
    const call = signal[name].bind(signal) as (...args: unknown[]) => void
    Object.assign(signal, { [name]: (...args: unknown[]) => (calls.push(name), call(...args)) })
  }
  const many = 1000
  const ends = Array.from({ length: many }, () => monitor.subscribeExec(() => {}, { signal }))
  const streams = Array.from({ length: many }, () => monitor.events({ signal }))
  const waits = Array.from({ length: many }, (_, i) => monitor.waitForExit(i + 1, { signal }))
  t.deepEqual(calls, ['addEventListener'])
  t.is(getEventListeners(signal, 'abort').length, 1)
  ends.forEach((end) => end())
  for (const stream of streams) await stream.return?.()
  t.deepEqual(calls, ['addEventListener'])
  void monitor.stop()
  await Promise.allSettled(waits)
  t.deepEqual(calls, ['addEventListener', 'removeEventListener'])
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('a signal ends its remaining subscriptions, waits and iterators once and in order', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const controller = new AbortController()
  const { signal } = controller
  const reported: string[] = []
  const off = monitor.subscribeExec(() => reported.push('off'), { signal })
  const waits = [7, 8].map((pid) => monitor.waitForExit(pid, { signal }).catch(() => reported.push(`wait ${pid}`)))
  monitor.subscribeExec(() => reported.push('exec'), { signal })
  monitor.subscribeExec(() => reported.push('other'), { signal: new AbortController().signal })
  off()
  controller.abort()
  await Promise.all(waits)
  fake.source.push(r.exec(1))
  await settled(fake)
  t.deepEqual(reported, ['wait 7', 'wait 8', 'other'])
})

test('an exception of a callback is uncaught, and other callbacks and later events continue', async (t) => {
  const { code, stdout } = await child(`
    const out = []
    process.on('uncaughtException', (e) => out.push('uncaught ' + e.message))
    process.on('unhandledRejection', (e) => out.push('unhandled ' + e.message))
    monitor.subscribeExec((pid) => { throw new Error('mine ' + pid) })
    monitor.subscribeExec(async (pid) => { throw new Error('async ' + pid) })
    monitor.subscribeExec((pid) => out.push(pid))
    monitor.initialize().then(() => {
      fake.source.push(r.exec(1), r.exec(2))
      setTimeout(() => fake.source.push(r.exec(3)), 20)
      setTimeout(() => { console.log(JSON.stringify(out)); process.exit() }, 60)
    })`)
  t.is(code, 0)
  const out: (string | number)[] = JSON.parse(stdout)
  t.deepEqual(out.slice(0, 2), [1, 2])
  const rest = [3, 'unhandled async 1', 'unhandled async 2', 'unhandled async 3']
  t.deepEqual(
    out.slice(2).map(String).sort(),
    [...rest, 'uncaught mine 1', 'uncaught mine 2', 'uncaught mine 3'].map(String).sort(),
  )
})

test('the drain yields to the event loop after about 4 ms', async (t) => {
  for (const referenced of [true, false]) {
    const { monitor, fake, r } = await initialized(t)
    if (!referenced) monitor.unref()
    let seen = 0
    monitor.subscribeExec(() => {
      seen++
      const until = performance.now() + 0.05
      while (performance.now() < until);
    })
    const turns: number[] = []
    let watching = true
    setTimeout(function look(): void {
      turns.push(seen)
      if (watching) setTimeout(look, 0)
    }, 0)
    for (let pid = 1; pid <= 2000; pid++) fake.source.push(r.exec(pid))
    while (seen < 2000) await new Promise((resolve) => setTimeout(resolve, 1))
    watching = false
    t.true(new Set(turns).size >= 10, String(turns))
    await settled(fake)
    t.is(seen, 2000)
    await monitor.stop()
  }
})

test('the drain yields after 4 ms although Node.js calls the wake-up callback repeatedly in one turn', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  let seen = 0
  monitor.subscribeExec(() => {
    seen++
    const until = performance.now() + 1
    while (performance.now() < until);
  })
  // Node.js does so up to a thousand times if a thread calls again while its last call is handled.
  for (let pid = 1; pid <= 200; pid++) fake.source.pushNow(r.exec(pid))
  t.true(seen < 50, `${seen} calls in one turn`)
  await settled(fake)
  t.is(seen, 200)
  await monitor.stop()
})

test('with queued events, ref keeps the event loop running and unref lets it end', async (t) => {
  const storm = `
    const slow = () => { const until = performance.now() + 1; while (performance.now() < until); seen++ }
    let seen = 0
    monitor.subscribeExec(slow)
    monitor.unref().initialize().then(() => {
      for (let pid = 1; pid <= 500; pid++) fake.source.push(r.exec(pid))`
  // The loop would sleep until the late timer, so the queued events must wake it.
  const alive = await child(`${storm}; setTimeout(() => { console.log(seen); process.exit() }, 3000) })`)
  t.is(alive.stdout, '500\n')
  const ended = await child(`${storm}; process.on('exit', () => console.log(seen)) })`)
  t.is(ended.code, 0)
  t.true(Number(ended.stdout) < 500, ended.stdout)
})

test('subscribe and unsubscribe throw on arguments of a wrong type or range', async (t) => {
  const { monitor } = loadFacade(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }
  const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }
  const subscribe =
    (...args: unknown[]) =>
    () =>
      monitor.subscribe(...(args as Parameters<typeof monitor.subscribe>))
  t.throws(subscribe(1, noop), {
    ...type,
    message: 'The "type" argument must be of type string. Received type number (1)',
  })
  t.throws(subscribe('exce', noop), { ...value, message: /^The argument 'type' must be one of: 'fork', / })
  for (const callback of [undefined, null, {}, 'x']) t.throws(subscribe('exec', callback), type)
  t.throws(() => monitor.subscribeExec(undefined as never), type)
  t.throws(() => monitor.subscribeExit(1 as never), type)
  for (const options of [null, 1, 'x', noop]) t.throws(subscribe('exec', noop, options), type)
  const wrong = [
    { name: 1 },
    { name: null },
    { exe: {} },
    { cwd: 1 },
    { commandLine: ['x'] },
    { cgroup: 1 },
    { uid: '0' },
    { ancestor: '1' },
  ]
  for (const options of [...wrong, { capture: 'name' }, { capture: [1] }, { signal: {} }, { signal: 1 }]) {
    t.throws(subscribe('exec', noop, options), { ...type, message: /^The "options\.\w+(\[0\])?" property must be / })
  }
  const ancestors = [0, -1, 1.5, 2 ** 22 + 1].map((ancestor) => ({ ancestor }))
  for (const options of [{ uid: -1 }, { uid: 1.5 }, { uid: 2 ** 32 }, ...ancestors]) {
    t.throws(subscribe('exec', noop, options), range)
  }
  t.throws(subscribe('exec', noop, { capture: ['nam'] }), value)
  monitor.subscribeExec(noop)
  for (const options of [null, 1, { source: 1 }, { queueSize: '1' }, { receiveBufferSize: 1n }, { procRoot: 1 }]) {
    await t.throwsAsync(monitor.initialize(options as never), type)
  }
  for (const options of [
    { queueSize: 0 },
    { queueSize: NaN },
    { maxArgvBytes: 0 },
    { maxArgvBytes: 2 ** 20 + 1 },
    { receiveBufferSize: 2 ** 31 },
  ]) {
    await t.throwsAsync(monitor.initialize(options as never), range)
  }
  for (const options of [{ source: 'x' }, { priority: 'x' }, { procRoot: '' }]) {
    await t.throwsAsync(monitor.initialize(options as never), value)
  }
  await monitor.initialize()
})
