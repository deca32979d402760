/** `wait`: waits until processes have exited, children or not. */
import { ProcessMonitorError } from '../../api/errors.js'
import type { ExitEvent } from '../../api/event-types.js'
import { getProcessMonitor } from '../../monitor/monitor.js'
import { redactSecrets } from '../../redact/redact-secrets.js'
import { type EventEntry, eventEntry } from '../../recording/entry.js'
import { readDetails } from '../entries/proc.js'
import { ProcessNames } from '../entries/process-names.js'
import { Users } from '../entries/users.js'
import { onMonitorWarning } from '../entries/warnings.js'
import { EXIT_CODES, PROCESS_EXIT_CODES, signalCode } from '../exit-codes.js'
import type { WaitOptions } from '../flags/args.js'
import { Output } from '../output/output.js'
import { layoutOf } from '../output/present.js'
import { Shutdown } from '../shutdown.js'
import { Lines } from '../views/lines.js'
import { JsonLines } from '../views/view.js'

/** Resolves with the exit code of the last process that failed. */
export async function wait(options: WaitOptions, notify: (text: string) => void): Promise<number> {
  const shutdown = new Shutdown()
  const monitor = getProcessMonitor()
  const output = new Output(process.stdout)
  output.closed.then(shutdown.end, shutdown.fail)
  const restoreWarnings = onMonitorWarning((message) => notify(message))
  const view = options.json ? new JsonLines() : new Lines()
  let code: number = EXIT_CODES.done.code
  let left = options.pids.length

  // Read the details first, because the processes may exit at any moment.
  const users = new Users()
  const remembered = options.pids.map((pid) => ({ pid, ...remember(pid, options, users) }))
  const one = async ({ pid, hasRun, entryOf }: (typeof remembered)[number]): Promise<void> => {
    try {
      const entry = entryOf(await monitor.waitForExit(pid))
      for (const line of view.add(entry, layoutOf(process.stdout))) output.line(line)
      code = exitCodeOf(entry) || code
    } catch (error) {
      if (shutdown.isReached) return
      // Any other error concerns all processes.
      if (!(error instanceof ProcessMonitorError) || error.code !== 'ERR_NO_SUCH_PROCESS') return shutdown.fail(error)
      const absent = `${error.code}: no such process is running. Start wait before the process exits.`
      notify(`${pid}: ${hasRun ? 'exited before it could be watched; exit code unknown' : absent}`)
      code = EXIT_CODES.failed.code
    }
    left--
  }

  try {
    const initialized = monitor.initialize({ source: options.source })
    // Wait from now on, so that an exit during the start is reported, too.
    const waits = Promise.all(remembered.map(one))
    await Promise.race([initialized, shutdown.reached])
    if (options.durationMs !== undefined) shutdown.endAfter(options.durationMs)
    await Promise.race([waits, shutdown.reached])
    if (shutdown.signal !== null) return signalCode(shutdown.signal)
    if (left === 0 || !output.open) return code
    notify(`${left} of ${options.pids.length} still running`)
    return PROCESS_EXIT_CODES.timedOut.code
  } finally {
    shutdown.release()
    await monitor.stop()
    restoreWarnings()
    await output.end()
  }
}

interface WaitedProcess {
  readonly hasRun: boolean
  readonly entryOf: (event: ExitEvent) => EventEntry
}

/** Reads the details that an exit event lacks, before the exit. */
function remember(pid: number, { args }: WaitOptions, users: Users): WaitedProcess {
  const { name, argv, uid } = readDetails(pid)
  const names = new ProcessNames(false)
  const shown = args === 'redacted' && argv !== null ? redactSecrets(argv) : argv
  const entryOf = (event: ExitEvent): EventEntry =>
    eventEntry(
      { ...event, process: { name, argv: shown, uid } },
      {
        inheritedName: name,
        ppid: event.ppid,
        parentName: names.of(event.ppid),
        user: uid === null ? null : users.nameOf(uid),
        showsArguments: args !== 'hidden',
      },
    )
  return { hasRun: name !== null, entryOf }
}

/** An unknown exit code counts as a failure. */
function exitCodeOf({ exitCode = null, signal = null }: EventEntry): number {
  return signal === null ? (exitCode ?? EXIT_CODES.failed.code) : signalCode(signal)
}
