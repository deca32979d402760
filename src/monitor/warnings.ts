/** The process warnings of the monitor. Their name is `ProcessMonitorWarning`. */
import type { ProcessMonitorError } from '../api/errors.js'

/** Warns that the process connector is unavailable or has failed, and that /proc is polled instead. */
export function warnOfFallback(reason: ProcessMonitorError): void {
  warn(`Polling /proc, which misses short-lived processes. ${reason.message}`, reason.code)
}

/** Warns that a later call of `initialize()` has other options than the call that started the monitor. */
export function warnOfIgnoredOptions(names: readonly string[]): void {
  warn(
    `initialize: ignored these options, which differ from those of the first call: ${names.join(', ')}. Pass them to the ` +
      'first call, or call stop() first.',
    'PROC_EVENTS_OPTIONS_IGNORED',
  )
}

/** Warns that there are subscriptions, but that no call of `initialize()` has started the monitor. */
export function warnOfMissingStart(): void {
  warn(
    'monitor: subscribed, but not initialized, so that no event is reported. Call initialize().',
    'PROC_EVENTS_NOT_INITIALIZED',
  )
}

function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'ProcessMonitorWarning', code })
}
