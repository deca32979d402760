/** The monitor's figures as Prometheus metrics: their names, their help, and how prom-client gets them. */
import { type Registry, type RegistryContentType } from 'prom-client';
import type { ProcessMonitor } from '../api/types.js';
/** Where the metrics go, and what they are called: as for prom-client's own `collectDefaultMetrics`. */
export interface MonitorMetricsOptions {
    /** The registry; of either content type. Default: prom-client's global one. */
    readonly register?: Registry<RegistryContentType>;
    /** What every name begins with, before `proc_events_`. Default: nothing. */
    readonly prefix?: string;
    /** Labels that every sample gets. `type`, `cause`, `source` and `priority` have a meaning here already. */
    readonly labels?: Readonly<Record<string, string | number>>;
}
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
export declare function collectMonitorMetrics(monitor: Pick<ProcessMonitor, 'stats'>, options?: MonitorMetricsOptions): void;
