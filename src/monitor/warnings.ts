/** The process warnings of the monitor. Their name is `ProcessMonitorWarning`. */
import { type ErrorCode, type ProcessMonitorError, findingOf } from '../api/errors.js'
import type { MonitorStats } from '../api/stats.js'

/** The consequence of a limit of /proc. The other codes are reasons why the process connector is unavailable or has failed. */
const LIMITS: Partial<Record<ErrorCode, string>> = {
  ERR_PROC_NAMESPACE:
    'whose pids are not those of this program, so that it may miss short-lived processes, and waitForExit() is refused',
  ERR_PROC_UNREADABLE: "which shows only this user's processes",
}

/** Warns that the process connector does not report processes, and of what may be missed. */
export function warnOfFallback(reason: ProcessMonitorError, watching: MonitorStats['watching']): void {
  if (watching === 'perf' && LIMITS[reason.code] === undefined) {
    warn(`Using perf events, which report fork, exec, exit and comm only (${findingOf(reason)}).`, reason.code)
    return
  }
  const limit = LIMITS[reason.code] ?? 'which may miss processes that live less than a millisecond'
  warn(`Polling /proc, ${limit} (${findingOf(reason)}).`, reason.code)
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
