/**
 * The monitor's own figures for Prometheus, by way of [prom-client](https://github.com/siimon/prom-client), which has to be
 * installed beside this package.
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
