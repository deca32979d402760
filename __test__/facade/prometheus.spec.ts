/** The monitor's metrics in prom-client: names, values, both formats, both module systems. */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import { type OpenMetricsContentType, Registry, type RegistryContentType } from 'prom-client'
import type { MonitorStats } from '../../dist/index.js'
import { collectMonitorMetrics } from '../../dist/prometheus.js'
import { root } from '../support/fake/facade.ts'
import { monitoring, run, until } from '../support/helpers.ts'

const stats: MonitorStats = {
  source: 'netlink',
  events: 60,
  exec: 30,
  exit: 20,
  restart: 1,
  reinitFailed: 2,
  processScanFailed: 3,
  callbackExecuted: 4,
  lostSocket: 5,
  lostQueue: 6,
  resync: 7,
  rejected: 8,
  ignored: 9,
  captureTimeouts: 15,
  detailsDropped: 16,
  usageLost: 22,
  batches: 18,
  largestBatch: 19,
  queueDepth: 10,
  queueHighWater: 11,
  receiveBufferSize: 12,
  trackedProcesses: 13,
  stuckThreads: 17,
  watching: 'cursor',
  unseen: 20,
  exitsWithoutStatus: 21,
  priority: 'realtime',
  references: 14,
}

const samples = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

async function textOf(
  figures: Partial<MonitorStats> = {},
  register: Registry<RegistryContentType> = new Registry(),
): Promise<string> {
  collectMonitorMetrics({ stats: () => ({ ...stats, ...figures }) }, { register })
  return register.metrics()
}

test('every statistic has its metric name and its value', async (t) => {
  t.deepEqual(samples(await textOf()), [
    'proc_events_received_total{type="exec"} 30',
    'proc_events_received_total{type="exit"} 20',
    'proc_events_received_total{type="other"} 10',
    'proc_events_lost_total{cause="socket"} 5',
    'proc_events_lost_total{cause="queue"} 6',
    'proc_events_callbacks_total 4',
    'proc_events_resyncs_total 7',
    'proc_events_source_restarts_total 1',
    'proc_events_source_reopen_failures_total 2',
    'proc_events_scan_failures_total 3',
    'proc_events_rejected_datagrams_total 8',
    'proc_events_ignored_reports_total 9',
    'proc_events_capture_timeouts_total 15',
    'proc_events_details_dropped_total 16',
    'proc_events_usage_lost_total 22',
    'proc_events_batches_total 18',
    'proc_events_source{source="netlink"} 1',
    'proc_events_source{source="polling"} 0',
    'proc_events_watching{watching="perf"} 0',
    'proc_events_watching{watching="cursor"} 1',
    'proc_events_watching{watching="snapshot"} 0',
    'proc_events_unseen_pids_total 20',
    'proc_events_exits_without_status_total 21',
    'proc_events_priority{priority="ordinary"} 0',
    'proc_events_priority{priority="short-slice"} 0',
    'proc_events_priority{priority="realtime"} 1',
    'proc_events_queue_events 10',
    'proc_events_queue_events_max 11',
    'proc_events_batch_events_max 19',
    'proc_events_receive_buffer_bytes 12',
    'proc_events_tracked_processes 13',
    'proc_events_stuck_threads 17',
    'proc_events_references 14',
  ])
})

test('every statistic has a metric', async (t) => {
  const before = await textOf()
  for (const name of Object.keys(stats)) {
    const other = typeof stats[name as keyof MonitorStats] === 'number' ? 1000 : null
    t.not(await textOf({ [name]: other }), before, name)
  }
})

test('the OpenMetrics output has _total samples, units and an end marker', async (t) => {
  const register = new Registry<OpenMetricsContentType>()
  register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const lines = (await textOf({}, register)).split('\n')
  t.deepEqual(lines.splice(-2), ['# EOF', ''])
  let family = ''
  let type = ''
  for (const line of lines) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      family = name!
      t.regex(rest!, /^[A-Z].*\.$/)
    } else if (keyword === 'TYPE') {
      t.is(name, family)
      type = rest!
      t.false(name!.endsWith('_total'), name)
    } else {
      const suffix = type === 'counter' ? '_total' : ''
      t.regex(line, new RegExp(String.raw`^${family}${suffix}(\{[a-z]+="[a-z-]+"\})? \d+$`))
    }
  }
  // A second scrape returns the same values, because counters do not add up.
  t.is(await register.metrics(), [...lines, '# EOF', ''].join('\n'))
})

test('each scrape reads the statistics once, and nothing reads them in between', async (t) => {
  let looks = 0
  const register = new Registry()
  const monitor = { stats: () => ({ ...stats, events: ++looks * 100 }) }
  collectMonitorMetrics(monitor, { register })
  t.is(looks, 0)
  t.true((await register.metrics()).includes('{type="other"} 50'))
  t.is(looks, 1)
  t.true((await register.metrics()).includes('{type="other"} 150'))
  t.is(looks, 2)
})

test('a counter resets with the monitor', async (t) => {
  let figures = stats
  const register = new Registry()
  collectMonitorMetrics({ stats: () => figures }, { register })
  await register.metrics()
  figures = { ...stats, resync: 0 }
  t.true((await register.metrics()).includes('proc_events_resyncs_total 0'))
})

test('prefix and labels work as in collectDefaultMetrics', async (t) => {
  const register = new Registry()
  collectMonitorMetrics({ stats: () => stats }, { register, prefix: 'agent_', labels: { host: 'a', zone: 1 } })
  const lines = samples(await register.metrics())
  t.is(lines[0], 'agent_proc_events_received_total{host="a",zone="1",type="exec"} 30')
  t.true(lines.every((line) => /^agent_proc_events_[a-z_]+\{host="a",zone="1"[,}]/.test(line)))
  // One registry takes the metrics twice, with different prefixes.
  collectMonitorMetrics({ stats: () => stats }, { register, prefix: 'other_' })
  t.is(samples(await register.metrics()).length, 2 * lines.length)
})

test('a failed registration leaves no metric behind', async (t) => {
  const register = new Registry()
  collectMonitorMetrics({ stats: () => stats }, { register })
  register.removeSingleMetric('proc_events_received_total')
  const before = await register.metrics()
  const again = (options: object) => () => collectMonitorMetrics({ stats: () => stats }, { register, ...options })
  t.throws(again({}), { message: /proc_events_lost_total has already been registered/ })
  t.throws(again({ prefix: 'not allowed ' }), { message: /Invalid metric name/ })
  t.throws(again({ prefix: 'x_', labels: { 'not allowed': 1 } }), { message: /Invalid label name/ })
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  const labels = [{ labels: 'x' }, { labels: new Map([['host', 'a']]) }, { labels: ['host'] }]
  for (const wrong of [{ prefix: 1 }, { register: 1 }, { register: {} }, ...labels]) t.throws(again(wrong), type)
  for (const monitor of [null, {}]) t.throws(() => collectMonitorMetrics(monitor as never), type)
  t.throws(() => collectMonitorMetrics({ stats: () => stats }, null as never), type)
  t.is(await register.metrics(), before)
})

test('the default monitor is read without holding a reference', async (t) => {
  await monitoring(async (monitor) => {
    monitor.subscribeExit(() => {})
    const register = new Registry()
    collectMonitorMetrics(monitor, { register })
    t.is(monitor.stats().references, 1)
    await run('/bin/true')
    await until('an exit is counted', () => monitor.stats().exit > 0)
    const lines = samples(await register.metrics())
    t.true(lines.includes('proc_events_source{source="netlink"} 1'))
    t.true(lines.includes('proc_events_references 1'))
    t.regex(lines.join('\n'), /^proc_events_received_total\{type="exit"\} [1-9]/m)
  })
})

test('import and require return the same module, and the main module does not load prom-client', (t) => {
  const required = createRequire(join(root, 'dist', 'index.js'))('proc-events/prometheus')
  t.is(required.collectMonitorMetrics, collectMonitorMetrics)
  const script = `import 'proc-events'
    import { createRequire } from 'node:module'
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('prom-client'))
    const before = loaded()
    const { collectMonitorMetrics } = await import('proc-events/prometheus')
    console.log(before, loaded(), typeof collectMonitorMetrics)`
  const args = ['--input-type=module', '--eval', script]
  t.is(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }), 'false true function\n')
})
