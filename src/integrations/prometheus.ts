/** The monitor's figures as Prometheus metrics: their names, their help, and how prom-client gets them. */
import { Counter, Gauge, type Registry, type RegistryContentType, register as globalRegistry } from 'prom-client'
import { checkObject, invalidArgType } from '../api/errors.js'
// Imported by the package's name, so that the published declarations refer to index.d.ts.
import type { MonitorStats, ProcessMonitor } from 'proc-events'

/** Where the metrics go, and what they are called: as for prom-client's own `collectDefaultMetrics`. */
export interface MonitorMetricsOptions {
  /** The registry; of either content type. Default: prom-client's global one. */
  readonly register?: Registry<RegistryContentType>
  /** What every name begins with, before `proc_events_`. Default: nothing. */
  readonly prefix?: string
  /** Labels that every sample gets. `type`, `cause`, `source` and `priority` have a meaning here already. */
  readonly labels?: Readonly<Record<string, string | number>>
}

/** What is exposed under one name. One that ends in `_total` is a counter, any other a gauge. */
interface MetricFamily {
  readonly name: string
  readonly help: string
  /** The label that tells samples of the family apart, where it has more than one. */
  readonly by?: string
  /** The value; by that label's values, where there is one. */
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
    help: "Events lost, by who dropped them: the kernel's socket, or the queue to JavaScript.",
    by: 'cause',
    read: ({ lostSocket, lostQueue }) => ({ socket: lostSocket, queue: lostQueue }),
  },
  { name: 'proc_events_callbacks_total', help: 'Callbacks called.', read: (stats) => stats.callbackExecuted },
  {
    name: 'proc_events_resyncs_total',
    help: 'Comparisons with /proc that made a loss right.',
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
    help: 'Datagrams refused because they did not come from the kernel or were malformed.',
    read: (stats) => stats.rejected,
  },
  {
    name: 'proc_events_ignored_reports_total',
    help: 'Reports passed over because their kind is not known.',
    read: (stats) => stats.ignored,
  },
  {
    name: 'proc_events_capture_timeouts_total',
    help: 'Processes whose arguments were not read because the read did not return in time.',
    read: (stats) => stats.captureTimeouts,
  },
  {
    name: 'proc_events_details_dropped_total',
    help: 'Events delivered without long details because too many bytes were waiting.',
    read: (stats) => stats.detailsDropped,
  },
  {
    name: 'proc_events_source',
    help: 'Where events come from: 1 for the source in use, 0 for the others.',
    by: 'source',
    read: ({ source }) => states(['netlink', 'polling'], source),
  },
  {
    name: 'proc_events_priority',
    help: 'How the native thread is scheduled: 1 for the priority it has, 0 for the others.',
    by: 'priority',
    read: ({ priority }) => states(['ordinary', 'short-slice', 'realtime'], priority),
  },
  { name: 'proc_events_queue_events', help: 'Events waiting for JavaScript.', read: (stats) => stats.queueDepth },
  {
    name: 'proc_events_queue_events_max',
    help: 'The most events that ever waited for JavaScript.',
    read: (stats) => stats.queueHighWater,
  },
  {
    name: 'proc_events_receive_buffer_bytes',
    help: "Size of the socket's receive buffer.",
    read: (stats) => stats.receiveBufferSize,
  },
  { name: 'proc_events_tracked_processes', help: 'Live processes known.', read: (stats) => stats.trackedProcesses },
  {
    name: 'proc_events_stuck_threads',
    help: 'Threads that are still in a read that did not return in time.',
    read: (stats) => stats.stuckThreads,
  },
  {
    name: 'proc_events_references',
    help: 'References to the monitor that were not given back.',
    read: (stats) => stats.references,
  },
]

/**
 * Registers the monitor's figures with prom-client. They are read when the registry is, all at the same moment, and cost
 * nothing in between; before `initialize()` and after the end they are as {@link ProcessMonitor.stats} tells them.
 *
 * No reference to the monitor is taken or given back: that stays with whoever called `getProcessMonitor()`. To take the
 * metrics away again, clear the registry, or remove them from it by name.
 *
 * @param monitor - whose `stats()` to read.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for an argument that is not as typed; prom-client's own error for names that
 * Prometheus does not allow, or that the registry has already: then nothing has been registered.
 */
export function collectMonitorMetrics(
  monitor: Pick<ProcessMonitor, 'stats'>,
  options: MonitorMetricsOptions = {},
): void {
  checkObject('monitor', monitor)
  if (typeof monitor.stats !== 'function') throw invalidArgType('monitor.stats', 'of type function', monitor.stats)
  checkObject('options', options)
  const { register = globalRegistry, prefix = '', labels = {} } = options
  checkObject('options.register', register)
  if (typeof prefix !== 'string') throw invalidArgType('options.prefix', 'of type string', prefix)
  checkObject('options.labels', labels)
  const stats = oncePerTurn(() => monitor.stats())
  const metrics = FAMILIES.map((family) => metricOf(family, prefix, labels, stats))
  const taken = FAMILIES.find(({ name }) => register.getSingleMetric(prefix + name) !== undefined)
  if (taken) throw new Error(`A metric with the name ${prefix}${taken.name} has already been registered.`)
  for (const metric of metrics) register.registerMetric(metric)
}

/** A metric that is in no registry yet. */
function metricOf(
  { name, help, by, read }: MetricFamily,
  prefix: string,
  labels: Readonly<Record<string, string | number>>,
  stats: () => MonitorStats,
): Counter | Gauge {
  const fill = (metric: Counter | Gauge): void => {
    const values = read(stats())
    // A counter may only grow, and the monitor's begin anew with each start.
    metric.reset()
    if (typeof values === 'number') return metric.inc(labels, values)
    for (const [key, value] of Object.entries(values)) metric.inc({ ...labels, [by!]: key }, value)
  }
  const labelNames = [...Object.keys(labels), ...(by === undefined ? [] : [by])]
  const named = { name: prefix + name, help, labelNames, registers: [] }
  if (!name.endsWith('_total'))
    return new Gauge({
      ...named,
      collect() {
        fill(this)
      },
    })
  return new Counter({
    ...named,
    collect() {
      fill(this)
    },
  })
}

/** A registry asks all its metrics within one turn of the event loop: one look serves them all. */
function oncePerTurn<T>(read: () => T): () => T {
  let seen: { readonly value: T } | null = null
  return () => {
    if (seen === null) {
      seen = { value: read() }
      queueMicrotask(() => {
        seen = null
      })
    }
    return seen.value
  }
}

function states(all: readonly string[], current: string | null): Record<string, number> {
  return Object.fromEntries(all.map((state) => [state, state === current ? 1 : 0]))
}
