/**
 * Reports when any process on a Linux machine starts a program or exits.
 *
 * ```ts
 * import { getProcessMonitor } from 'proc-events'
 *
 * const monitor = getProcessMonitor()
 * monitor.subscribeExec((pid, { process }) => console.log(pid, process.name), { capture: ['name'] })
 * monitor.subscribeExit((pid, { exitCode, signal }) => console.log(pid, exitCode ?? signal))
 * await monitor.initialize()
 * ```
 *
 * Importing the package starts nothing and never fails, on any platform. Errors are reported by the calls that need the
 * native part.
 *
 * @packageDocumentation
 * @module proc-events
 */
export { ProcessMonitorError } from './src/api/errors.js'
export type { ErrorCode } from './src/api/errors.js'
export type {
  CapturedCost,
  CapturedField,
  CapturedInfo,
  CommEvent,
  CoredumpEvent,
  EventBase,
  EventOf,
  EventType,
  ExecEvent,
  ExitEvent,
  ForkEvent,
  GidEvent,
  ProcessEvent,
  ProcessField,
  ProcessInfo,
  PtraceEvent,
  ResourceUsage,
  SidEvent,
  UidEvent,
} from './src/api/event-types.js'
export { getProcessMonitor } from './src/monitor/monitor.js'
export { findDeletedProcesses, probe } from './src/native/binding.js'
export type { ProbeReport } from './src/native/binding.js'
export { signalProcess } from './src/native/signal.js'
export { toOpenTelemetry } from './src/integrations/opentelemetry.js'
export type {
  OpenTelemetryAttributes,
  OpenTelemetryEvent,
  OpenTelemetryOptions,
} from './src/integrations/opentelemetry.js'
export { toChromeTrace } from './src/pictures/chrome-trace.js'
export type { ChromeTrace, ChromeTraceEvent, ChromeTraceOptions } from './src/pictures/chrome-trace.js'
export type { RecordedEntry, TraceEntry } from './src/pictures/entries.js'
export type {
  LossReport,
  MonitorEvents,
  ProcessCallback,
  ProcessMonitor,
  Unsubscribe,
  WaitOptions,
} from './src/api/monitor-types.js'
export type { EventsOptions, MonitorOptions, ProcessFilter, Redact, SubscribeOptions } from './src/api/options.js'
export type { MonitorStats } from './src/api/stats.js'
export { redactSecrets } from './src/redact/redact-secrets.js'
