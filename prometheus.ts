/**
 * The monitor's counters and gauges for Prometheus. They need [prom-client](https://github.com/siimon/prom-client), which
 * is installed separately.
 *
 * ```ts
 * import { getProcessMonitor } from 'proc-events'
 * import { collectMonitorMetrics } from 'proc-events/prometheus'
 * import { register } from 'prom-client'
 *
 * collectMonitorMetrics(getProcessMonitor())
 * console.log(await register.metrics())
 * ```
 *
 * @module proc-events/prometheus
 */
export { collectMonitorMetrics } from './src/integrations/prometheus.js'
export type { MonitorMetricsOptions } from './src/integrations/prometheus.js'
