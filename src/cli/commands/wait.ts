/** `wait`: until processes have ended, whoever their parents are. */
import { ProcessMonitorError } from '../../api/errors.js'
import type { ExitEvent } from '../../api/event-types.js'
import { getProcessMonitor } from '../../monitor/monitor.js'
import type { WaitOptions } from '../flags/args.js'
import { WallClock } from '../entries/clock.js'
import { Ending } from '../shutdown.js'
import { type EventEntry, eventEntry } from '../entries/entry.js'
import { Names } from '../entries/process-names.js'
import { EXIT_CODES, describe, signalCode } from '../exit-codes.js'
import { Output } from '../output/output.js'
import { layoutOf } from '../output/present.js'
import { look } from '../entries/proc.js'
import { redact } from '../entries/redact/redact.js'
import { Users } from '../entries/users.js'
import { Lines } from '../views/lines.js'
import { JsonLines } from '../views/view.js'
import { onMonitorWarning } from '../entries/warnings.js'

/** As a shell says it of a command that Ctrl-C has ended. */
const INTERRUPTED = 130

/** Resolves with the exit code of the last of them to fail. */
export async function wait(options: WaitOptions, tell: (text: string) => void): Promise<number> {
  const ending = new Ending()
  const monitor = getProcessMonitor()
  const output = new Output(process.stdout)
  output.closed.then(ending.end, ending.fail)
  const restoreWarnings = onMonitorWarning((message) => tell(message))
  const view = options.json ? new JsonLines() : new Lines()
  let code: number = EXIT_CODES.done.code
  let left = options.pids.length

  // Read before anything is waited for: they may end at any moment.
  const users = new Users()
  const remembered = options.pids.map((pid) => ({ pid, ...remember(pid, options, users) }))
  const one = async ({ pid, hasRun, entryOf }: (typeof remembered)[number]): Promise<void> => {
    try {
      const entry = entryOf(await monitor.waitForExit(pid))
      for (const line of view.add(entry, layoutOf(process.stdout))) output.line(line)
      code = exitCodeOf(entry) || code
    } catch (error) {
      if (ending.isReached) return
      // Anything else holds for all of them.
      if (!(error instanceof ProcessMonitorError) || error.code !== 'ERR_NO_SUCH_PROCESS') return ending.fail(error)
      tell(`${pid}: ${hasRun ? 'it ended too soon, its exit code is not known' : describe(error)}`)
      code = EXIT_CODES.failed.code
    }
    left--
  }

  try {
    const initialized = monitor.initialize({ source: options.source })
    // They listen from now on: what ends before the monitor has begun is heard, too.
    const waits = Promise.all(remembered.map(one))
    await Promise.race([initialized, ending.reached])
    if (options.durationMs !== undefined) ending.endAfter(options.durationMs)
    await Promise.race([waits, ending.reached])
    if (ending.wasInterrupted) return INTERRUPTED
    if (left === 0 || !output.open) return code
    tell(`${left} of ${options.pids.length} still running`)
    return EXIT_CODES.failed.code
  } finally {
    ending.release()
    await monitor.stop()
    restoreWarnings()
    await output.end()
  }
}

interface Remembered {
  readonly hasRun: boolean
  readonly entryOf: (event: ExitEvent) => EventEntry
}

/** What the end of a process does not tell is read before it. */
function remember(pid: number, { args }: WaitOptions, users: Users): Remembered {
  const { name, argv, uid } = look(pid)
  const [clock, names] = [new WallClock(), new Names(false)]
  const shown = args === 'redacted' && argv !== null ? redact(argv) : argv
  const entryOf = (event: ExitEvent): EventEntry =>
    eventEntry(
      { ...event, process: { name, argv: shown, uid } },
      {
        time: clock.timeOf(event.timestampNs),
        inheritedName: name,
        ppid: event.ppid,
        parentName: names.of(event.ppid),
        user: uid === null ? null : users.nameOf(uid),
        showsArguments: args !== 'hidden',
      },
    )
  return { hasRun: name !== null, entryOf }
}

/** One that nobody could tell is a failure: it may have been one. */
function exitCodeOf({ exitCode = null, signal = null }: EventEntry): number {
  return signal === null ? (exitCode ?? EXIT_CODES.failed.code) : signalCode(signal)
}
