/** The monitor's counters and gauges as Prometheus metrics for prom-client. */
import { Counter, Gauge, type Registry, type RegistryContentType, register as globalRegistry } from 'prom-client'
import { checkObject, checkPlainObject, invalidArgType } from '../api/errors.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
// Imported by the package's name, so that the published declarations refer to index.d.ts.
import type { MonitorStats, ProcessMonitor } from 'proc-events'

/** The registry, the names and the labels of the metrics, as in prom-client's own `collectDefaultMetrics`. */
export interface MonitorMetricsOptions {
  /** The registry, of either content type. Default: prom-client's global registry. */
  readonly register?: Registry<RegistryContentType> | undefined
  /** The prefix of every name, before `proc_events_`. Default: none. */
  readonly prefix?: string | undefined
  /** Labels of every sample. `type`, `cause`, `source` and `priority` are reserved. Default: none. */
  readonly labels?: Readonly<Record<string, string | number>> | undefined
}

const OPTIONS: KnownKeys<MonitorMetricsOptions> = { register: true, prefix: true, labels: true }

/** The samples exposed under one name. A name that ends in `_total` is a counter, any other a gauge. */
interface MetricFamily {
  readonly name: string
  readonly help: string
  /** The label that distinguishes the samples of the family. Absent: the family has one sample. */
  readonly by?: string
  /** Returns the value, or with a label, one value for each value of the label. */
  readonly read: (stats: MonitorStats) => number | Readonly<Record<string, number>>
}

const FAMILIES: readonly MetricFamily[] = [
  {
    name: 'proc_events_received_total',
    help: 'Events received, by type.',
    by: 'type',
    read: ({ events, exec, exit }) => ({ exec, exit, other: Math.max(events - exec - exit, 0) }),
  },
  {
    name: 'proc_events_lost_total',
    help: "Events lost, by cause: dropped by the kernel's socket, or by the queue to JavaScript.",
    by: 'cause',
    read: ({ lostSocket, lostQueue }) => ({ socket: lostSocket, queue: lostQueue }),
  },
  { name: 'proc_events_callbacks_total', help: 'Callbacks called.', read: (stats) => stats.callbackExecuted },
  {
    name: 'proc_events_resyncs_total',
    help: 'Repairs of the process table from /proc.',
    read: (stats) => stats.resync,
  },
  {
    name: 'proc_events_source_restarts_total',
    help: 'Times the source of events was reopened.',
    read: (stats) => stats.restart,
  },
  {
    name: 'proc_events_source_reopen_failures_total',
    help: 'Times reopening the source of events failed.',
    read: (stats) => stats.reinitFailed,
  },
  {
    name: 'proc_events_scan_failures_total',
    help: 'Times /proc could not be scanned.',
    read: (stats) => stats.processScanFailed,
  },
  {
    name: 'proc_events_rejected_datagrams_total',
    help: 'Datagrams rejected because they did not come from the kernel or were malformed.',
    read: (stats) => stats.rejected,
  },
  {
    name: 'proc_events_ignored_reports_total',
    help: 'Kernel events that were ignored deliberately.',
    read: (stats) => stats.ignored,
  },
  {
    name: 'proc_events_capture_timeouts_total',
    help: 'Processes whose arguments were not read because the read did not return in time.',
    read: (stats) => stats.captureTimeouts,
  },
  {
    name: 'proc_events_details_dropped_total',
    help: 'Events delivered without arguments and working directory because too many bytes were queued.',
    read: (stats) => stats.detailsDropped,
  },
  {
    name: 'proc_events_usage_lost_total',
    help: 'Exits whose cost was lost.',
    read: (stats) => stats.usageLost,
  },
  {
    name: 'proc_events_batches_total',
    help: 'Batches of events handed to JavaScript.',
    read: (stats) => stats.batches,
  },
  {
    name: 'proc_events_source',
    help: 'Source of events: 1 for the source in use, 0 for the others.',
    by: 'source',
    read: ({ source }) => oneHot(['netlink', 'polling'], source),
  },
  {
    name: 'proc_events_watching',
    help: 'How processes are noticed without the connector: 1 for the present way, 0 for the others.',
    by: 'watching',
    read: ({ watching }) => oneHot(['perf', 'cursor', 'snapshot'], watching),
  },
  {
    name: 'proc_events_unseen_pids_total',
    help: 'Process ids that were free again before the polling source could look at them.',
    read: (stats) => stats.unseen,
  },
  {
    name: 'proc_events_exits_without_status_total',
    help: 'Exits of which the polling source could not get the exit code.',
    read: (stats) => stats.exitsWithoutStatus,
  },
  {
    name: 'proc_events_priority',
    help: 'Scheduling of the native thread: 1 for the current priority, 0 for the others.',
    by: 'priority',
    read: ({ priority }) => oneHot(['ordinary', 'short-slice', 'realtime'], priority),
  },
  { name: 'proc_events_queue_events', help: 'Events waiting for JavaScript.', read: (stats) => stats.queueDepth },
  {
    name: 'proc_events_queue_events_max',
    help: 'The most events that have waited for JavaScript at once.',
    read: (stats) => stats.queueHighWater,
  },
  {
    name: 'proc_events_batch_events_max',
    help: 'The most events of one batch.',
    read: (stats) => stats.largestBatch,
  },
  {
    name: 'proc_events_receive_buffer_bytes',
    help: "Size of the socket's receive buffer.",
    read: (stats) => stats.receiveBufferSize,
  },
  {
    name: 'proc_events_tracked_processes',
    help: 'Live processes in the process table.',
    read: (stats) => stats.trackedProcesses,
  },
  {
    name: 'proc_events_stuck_threads',
    help: 'Native threads blocked in a read that did not return in time.',
    read: (stats) => stats.stuckThreads,
  },
  {
    name: 'proc_events_references',
    help: 'References to the monitor that have not been given back.',
    read: (stats) => stats.references,
  },
]

/**
 * Registers the monitor's counters and gauges with prom-client. They are read when the registry is read, all at the same
 * moment, and cost nothing in between. Their values are those of {@link ProcessMonitor.stats}, also before `initialize()` and
 * after the end.
 *
 * Metrics need no event at once: `initialize({ maxLatency: 100 })` saves most of the CPU time. This takes no reference to the
 * monitor and gives none back. To remove the metrics, clear the registry, or remove them from it
 * by name.
 *
 * ```ts
 * collectMonitorMetrics(getProcessMonitor(), { labels: { host: hostname() } })
 * ```
 *
 * @param monitor - the monitor, or any object with its `stats()`.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE` for an argument that is not as typed.
 * @throws Error prom-client's own, for a name that Prometheus does not allow or that the registry already has. Nothing is
 * registered then.
 */
export function collectMonitorMetrics(
  monitor: Pick<ProcessMonitor, 'stats'>,
  options: MonitorMetricsOptions = {},
): void {
  checkObject('monitor', monitor)
  if (typeof monitor.stats !== 'function') throw invalidArgType('monitor.stats', 'of type function', monitor.stats)
  checkOptionsObject(options, OPTIONS)
  const { register = globalRegistry, prefix = '', labels = {} } = options
  checkObject('options.register', register)
  if (typeof register.registerMetric !== 'function') throw invalidArgType('options.register', 'a Registry', register)
  if (typeof prefix !== 'string') throw invalidArgType('options.prefix', 'of type string', prefix)
  checkPlainObject('options.labels', labels)
  const stats = oncePerTurn(() => monitor.stats())
  const metrics = FAMILIES.map((family) => metricOf(family, prefix, labels, stats))
  const duplicate = FAMILIES.find(({ name }) => register.getSingleMetric(prefix + name) !== undefined)
  if (duplicate) throw new Error(`A metric with the name ${prefix}${duplicate.name} has already been registered.`)
  for (const metric of metrics) register.registerMetric(metric)
}

/** Returns a metric that is in no registry yet. */
function metricOf(
  { name, help, by, read }: MetricFamily,
  prefix: string,
  labels: Readonly<Record<string, string | number>>,
  stats: () => MonitorStats,
): Counter | Gauge {
  const fill = (metric: Counter | Gauge): void => {
    const values = read(stats())
    // prom-client's counters only grow, but the monitor's counters start from zero with each start.
    metric.reset()
    if (typeof values === 'number') return metric.inc(labels, values)
    for (const [key, value] of Object.entries(values)) metric.inc({ ...labels, [by!]: key }, value)
  }
  const labelNames = [...Object.keys(labels), ...(by === undefined ? [] : [by])]
  const configuration = { name: prefix + name, help, labelNames, registers: [] }
  if (!name.endsWith('_total'))
    return new Gauge({
      ...configuration,
      collect() {
        fill(this)
      },
    })
  return new Counter({
    ...configuration,
    collect() {
      fill(this)
    },
  })
}

/** Returns a reader that calls `read` once per turn of the event loop. A registry collects all its metrics within one turn. */
function oncePerTurn<T>(read: () => T): () => T {
  let cached: { readonly value: T } | null = null
  return () => {
    if (cached === null) {
      cached = { value: read() }
      queueMicrotask(() => {
        cached = null
      })
    }
    return cached.value
  }
}

function oneHot(all: readonly string[], current: string | null): Record<string, number> {
  return Object.fromEntries(all.map((state) => [state, state === current ? 1 : 0]))
}
