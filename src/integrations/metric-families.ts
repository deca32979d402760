/** The monitor's own figures as families of metrics, for any library or format. */
import type { MonitorStats } from '../api/stats.js'

/** The samples exposed under one name. A name that ends in `_total` is a counter, any other a gauge. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  /** The label that distinguishes the samples of the family. Absent: the family has one sample. */
  readonly by?: string
  /** Returns the value, or with a label, one value for each value of the label. */
  readonly read: (stats: MonitorStats) => number | Readonly<Record<string, number>>
}

export const METRIC_FAMILIES: readonly MetricFamily[] = [
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

function oneHot(all: readonly string[], current: string | null): Record<string, number> {
  return Object.fromEntries(all.map((state) => [state, state === current ? 1 : 0]))
}
