/** `run`: runs a command as a child, and reports all processes that it and its descendants started. */
import { foreignProcError } from '../../api/errors.js'
import { redactSecrets } from '../../redact/redact-secrets.js'
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { type Entry, isEvent } from '../entries/entry.js'
import { LiveEntries } from '../entries/live.js'
import { jsonLine } from '../entries/ndjson.js'
import { isForeground, isRunning, showsOwnPids } from '../entries/proc.js'
import { EXIT_CODES, PROCESS_EXIT_CODES, describe, signalCode } from '../exit-codes.js'
import type { RunOptions } from '../flags/args.js'
import { lossText } from '../output/format.js'
import { print } from '../output/output.js'
import { layoutOf } from '../output/present.js'
import { type CommandOutcome, Report } from '../views/report.js'

interface ExitStatus {
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
}

/** The time that an event may wait, in milliseconds. The report is flushed at the end. */
const LATENCY_MS = 100
/** The longest wait for an exit event, in milliseconds. */
const REPORT_TIMEOUT_MS = 2000

/**
 * Resolves with the exit code of the command.
 *
 * @throws where nothing can be monitored, or no report be written: then nothing has been run.
 */
export async function run(options: RunOptions, notify: (text: string) => void): Promise<number> {
  if (!showsOwnPids()) throw foreignProcError('run')
  const report = new Report()
  let lost = 0
  const onEntry = (entry: Entry): void => {
    if (isEvent(entry)) report.add(entry)
    else if (entry.type === 'note') notify(entry.message)
    else lost += entry.lost
    if (entry.type === 'loss') notify(lossText(entry))
  }
  // This process starts only the command, so all its descendants belong to the command.
  const filter = { ancestor: [process.pid] }
  const wanted = { types: ['fork', 'exec', 'exit'], filter, show: options, latencyMs: LATENCY_MS } as const
  const live = new LiveEntries(wanted, onEntry, (error) => notify(describe(error)))
  await live.start().catch(async (error: unknown) => {
    await live.stop()
    throw error
  })
  let file: number | null = null
  try {
    if (options.output !== undefined) file = openSync(options.output, 'w')
    const ended = await execute(options)
    if (ended instanceof Error) {
      const isMissing = ended.code === 'ENOENT' || options.program === ''
      const why = isMissing ? 'command not found' : `cannot be run (${ended.code ?? ended.message})`
      notify(`${options.program}: ${why}`)
      return (isMissing ? PROCESS_EXIT_CODES.notFound : PROCESS_EXIT_CODES.notRunnable).code
    }
    await live.flush()
    await exitsReported(report, ended.pid)
    const command = commandOf(options)
    if (options.args !== 'hidden') report.complete(ended.pid, command)
    const { exitCode, signal } = outcomeOf(ended, report)
    await write(file, options, report, { command, exitCode, signal, lost })
    return signal === null ? (exitCode ?? EXIT_CODES.failed.code) : signalCode(signal)
  } finally {
    if (file !== null) closeSync(file)
    await live.stop()
  }
}

/** Resolves when the command has exited. Until then, signals are passed to it. */
async function execute({ program, programArgs }: RunOptions): Promise<ExitStatus | NodeJS.ErrnoException> {
  let child: ChildProcess | undefined
  // Register the handlers first, because the command may be ready before this function continues.
  const passed = SIGNALS.map(([signal, sentByTerminal]) => {
    const pass = (): void => {
      // The terminal sends its signals to the command, too.
      if (!sentByTerminal || !isForeground()) child?.kill(signal)
    }
    process.on(signal, pass)
    return [signal, pass] as const
  })
  try {
    return await new Promise((resolve) => {
      const started = spawn(program, programArgs, { stdio: 'inherit' })
      child = started
      started.once('error', resolve)
      started.once('exit', (exitCode, signal) => resolve({ pid: started.pid!, exitCode, signal }))
    })
  } catch (error) {
    // Node.js throws most errors of spawn.
    return error as NodeJS.ErrnoException
  } finally {
    for (const [signal, pass] of passed) process.off(signal, pass)
  }
}

/** The signals to pass on, and whether a terminal sends them to the whole foreground group. */
const SIGNALS: readonly (readonly [NodeJS.Signals, boolean])[] = [
  ['SIGINT', true],
  ['SIGQUIT', true],
  ['SIGHUP', true],
  ['SIGTERM', false],
  ['SIGUSR1', false],
  ['SIGUSR2', false],
]

/** Resolves when the exits of all processes that have exited are reported. Processes that run on stay in the report. */
async function exitsReported(report: Report, pid: number): Promise<void> {
  const deadline = performance.now() + REPORT_TIMEOUT_MS
  const areReported = (): boolean => report.endOf(pid) !== null && !report.running().some((other) => !isRunning(other))
  while (!areReported() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Node.js has no name for a real-time signal, and reports a command that one has killed as code 0: the kernel does not. */
function outcomeOf(ended: ExitStatus, report: Report): Pick<ExitStatus, 'exitCode' | 'signal'> {
  const { exitCode = null, signal = null } = report.endOf(ended.pid) ?? {}
  // The kernel's own report may have been lost.
  return exitCode === null && signal === null ? ended : { exitCode, signal }
}

function commandOf({ program, programArgs, args }: RunOptions): readonly string[] {
  const command = [program, ...programArgs]
  return args === 'shown' ? command : args === 'redacted' ? redactSecrets(command) : [program]
}

async function write(
  file: number | null,
  { json, sort, minDurationMs }: RunOptions,
  report: Report,
  outcome: CommandOutcome,
): Promise<void> {
  const order = { sort, minDurationNs: minDurationMs * 1e6 }
  const layout = file === null ? layoutOf(process.stderr) : { columns: Infinity, colors: false }
  const lines = json ? [jsonLine(report.toObject(outcome, order))] : report.lines(outcome, layout, order)
  const text = `${lines.join('\n')}\n`
  if (file === null) await print(process.stderr, text)
  else writeFileSync(file, text)
}
