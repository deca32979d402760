/** The monitor's counters and gauges as Prometheus metrics for prom-client. */
import { Counter, Gauge, type Registry, type RegistryContentType, register as globalRegistry } from 'prom-client'
import { checkObject, checkPlainObject, invalidArgType } from '../api/errors.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import { METRIC_FAMILIES, type MetricFamily } from './metric-families.js'
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
  const metrics = METRIC_FAMILIES.map((family) => metricOf(family, prefix, labels, stats))
  const duplicate = METRIC_FAMILIES.find(({ name }) => register.getSingleMetric(prefix + name) !== undefined)
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
