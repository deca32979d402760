/** The process warning about a forgotten `initialize()`. */
import test from 'ava'
import { child, initialized, loadFacade, noop } from '../support/fake/facade.ts'

const WARNING =
  /^\(node:\d+\) \[PROC_EVENTS_NOT_INITIALIZED\] ProcessMonitorWarning: monitor: subscribed, but not initialized, so that no event is reported\. Call initialize\(\)\./

/** The delay, replaced by 50 ms. */
const SHORT_DELAY = `const { setTimeout: set } = globalThis
  globalThis.setTimeout = (callback, ms) => set(callback, ms === 5000 ? 50 : ms);`

test('a subscription without initialize() causes one warning when Node.js is about to end', async (t) => {
  for (const subscribe of [
    'monitor.subscribeExec(() => {}); monitor.subscribeExit(() => {})',
    'monitor.subscribe("fork", () => {}); process.on("beforeExit", () => monitor.subscribe("sid", () => {}))',
    '(async () => { for await (const _ of monitor.events()); })()',
  ]) {
    const { code, stderr, took } = await child(subscribe)
    t.is(code, 0)
    t.regex(stderr, WARNING, subscribe)
    t.is(stderr.split('PROC_EVENTS_NOT_INITIALIZED').length, 2, subscribe)
    // The timer does not keep Node.js running.
    t.true(took < 4000, `${took} ms`)
  }
})

test('a loop over events() without initialize() explains why an ECMAScript module ends', async (t) => {
  const script = `import('./dist/index.js').then(async ({ default: { getProcessMonitor } }) => {
    for await (const event of getProcessMonitor().events()) console.log(event) })`
  t.regex((await child(script, { bare: true })).stderr, WARNING)
})

test('a subscription without initialize() causes one warning after five seconds', async (t) => {
  const { stderr, took } = await child('monitor.subscribeExec(() => {}); setTimeout(() => process.exit(), 6000)')
  t.regex(stderr, WARNING)
  t.true(took > 5000)
  const { stderr: again } = await child(`${SHORT_DELAY}
    monitor.subscribeExec(() => {}); setTimeout(() => monitor.subscribeExit(() => {}), 200); setTimeout(() => {}, 400)`)
  t.is(again.split('PROC_EVENTS_NOT_INITIALIZED').length, 2)
})

test('a worker has a warning of its own', async (t) => {
  const { stderr } = await child(`const { Worker } = require('node:worker_threads')
    new Worker('require("./dist/index.js").getProcessMonitor().subscribeExec(() => {})', { eval: true })`)
  t.regex(stderr, WARNING)
})

test('initialize(), an unsubscribe of all, an abort and stop() prevent the warning', async (t) => {
  for (const script of [
    'monitor.subscribeExec(() => {}); monitor.unref().initialize()',
    'monitor.unref().initialize().then(() => monitor.stop()).then(() => monitor.subscribeExec(() => {}))',
    // A failed start has been reported by its rejection.
    'monitor.subscribeExec(() => {}); monitor.initialize({ source: "x" }).catch(() => {})',
    'const off = monitor.subscribeExec(() => {}); monitor.subscribeExit(() => {})(); off(); off()',
    'const c = new AbortController(); monitor.subscribeExec(() => {}, { signal: c.signal }); c.abort()',
    'monitor.subscribeExec(() => {}, { signal: AbortSignal.abort() })',
    'monitor.events().return()',
    'monitor.subscribeExec(() => {}); monitor.stop()',
    'monitor.stats(); monitor.on("loss", () => {})',
  ]) {
    const { code, stderr } = await child(`${SHORT_DELAY} ${script}; setTimeout(() => {}, 200)`)
    t.deepEqual([code, stderr], [0, ''], script)
  }
})

test('no timer and no listener is left', async (t) => {
  const before = process.listenerCount('beforeExit')
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const { monitor } = loadFacade(t)
  const timersBefore = timers()
  const offs = [monitor.subscribeExec(noop), monitor.subscribeExit(noop)]
  t.is(process.listenerCount('beforeExit'), before + 1)
  offs.forEach((off) => off())
  t.is(process.listenerCount('beforeExit'), before)
  monitor.subscribeExec(noop)
  t.is(process.listenerCount('beforeExit'), before + 1)
  await monitor.stop()
  t.is(process.listenerCount('beforeExit'), before)
  monitor.subscribeExec(noop)
  await monitor.unref().initialize()
  t.is(process.listenerCount('beforeExit'), before)
  await monitor.stop()
  // Timers of the tests that run beside this one may end.
  t.true(timers() <= timersBefore)
  const other = await initialized(t)
  other.monitor.subscribeExec(noop)
  t.is(process.listenerCount('beforeExit'), before)
  await other.monitor.stop()
})
