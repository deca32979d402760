/** `run`: runs a command as a child, and reports all processes that it and its descendants started. */
import { foreignProcError } from '../../api/errors.js'
import { redactSecrets } from '../../redact/redact-secrets.js'
import { type ChildProcess, spawn } from 'node:child_process'
import { ProcessTree } from '../../pictures/process-tree.js'
import type { CommandOutcome } from '../../pictures/timeline.js'
import type { Entry } from '../../recording/entry.js'
import { now } from '../entries/clock.js'
import { LiveEntries } from '../entries/live.js'
import { isForeground, isRunning, showsOwnPids } from '../entries/proc.js'
import { recorded } from '../entries/recording.js'
import { EXIT_CODES, PROCESS_EXIT_CODES, describe, signalCode } from '../exit-codes.js'
import type { RunOptions } from '../flags/args.js'
import { lossText } from '../output/format.js'
import { ReportFile } from '../output/report-file.js'
import { Shutdown } from '../shutdown.js'

interface ExitStatus {
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
}

/** A command line. */
type Command = readonly [program: string, ...args: string[]]

/** The time that an event may wait, in milliseconds. The report is flushed at the end. */
const LATENCY_MS = 100
/** The longest wait for an exit event, in milliseconds. */
const REPORT_TIMEOUT_MS = 2000

/**
 * Resolves with the exit code of the command, or with 0 after a recording.
 *
 * @throws where nothing can be monitored, or no report be written: then nothing has been run.
 */
export async function run(options: RunOptions, notify: (text: string) => void): Promise<number> {
  const { target } = options
  return 'replay' in target ? replay(options, target.replay) : runCommand(options, target.command, notify)
}

async function runCommand(options: RunOptions, command: Command, notify: (text: string) => void): Promise<number> {
  if (!showsOwnPids()) throw foreignProcError('run')
  const tree = new ProcessTree()
  const onEntry = (entry: Entry): void => {
    tree.add(entry)
    if (entry.type === 'note') notify(entry.message)
    if (entry.type === 'loss') notify(lossText(entry))
  }
  // This process starts only the command, so all its descendants belong to the command.
  const filter = { ancestor: [process.pid] }
  const needsDetails = options.format !== 'tree'
  const wanted = {
    types: ['fork', 'exec', 'exit'],
    filter,
    show: options,
    latencyMs: LATENCY_MS,
    needsDetails,
    needsUsage: true,
  } as const
  const live = new LiveEntries(wanted, onEntry, (error) => notify(describe(error)))
  await live.start().catch(async (error: unknown) => {
    await live.stop()
    throw error
  })
  let file: ReportFile | null = null
  try {
    file = new ReportFile(options)
    tree.add(live.startEntry())
    const ended = await execute(command)
    if (ended instanceof Error) {
      const isMissing = ended.code === 'ENOENT' || command[0] === ''
      const why = isMissing ? 'command not found' : `cannot be run (${ended.code ?? ended.message})`
      notify(`${command[0]}: ${why}`)
      return (isMissing ? PROCESS_EXIT_CODES.notFound : PROCESS_EXIT_CODES.notRunnable).code
    }
    await live.flush()
    await exitsReported(tree, ended.pid)
    tree.add({ type: 'end', ...now(), lost: tree.lost })
    const shown = shownCommand(command, options)
    if (options.args !== 'hidden') tree.complete(ended.pid, shown)
    const { exitCode, signal } = outcomeOf(ended, tree)
    await file.write(tree, { command: shown, exitCode, signal, lost: tree.lost })
    return signal === null ? (exitCode ?? EXIT_CODES.failed.code) : signalCode(signal)
  } finally {
    file?.close()
    await live.stop()
  }
}

/** Reports the processes of a recording. */
async function replay(options: RunOptions, path: string): Promise<number> {
  const tree = new ProcessTree()
  const shutdown = new Shutdown()
  const stopped = new AbortController()
  let outcome: Omit<CommandOutcome, 'lost'> = { command: [], exitCode: null, signal: null }
  const read = async (): Promise<void> => {
    const entries = recorded(path, {}, options, stopped.signal, (report) => {
      const { exitCode, signal, hidden = 0, unlisted = 0, omittedExecs = 0, omittedArguments = 0 } = report
      tree.omit({ unlisted: unlisted + hidden, omittedExecs, omittedArguments })
      outcome = { command: shownCommand(report.command, options), exitCode, signal }
    })
    for await (const entry of entries) if (!shutdown.isReached) tree.add(entry)
    shutdown.end()
  }
  try {
    await Promise.race([read(), shutdown.reached])
  } finally {
    shutdown.release()
    stopped.abort()
  }
  const file = new ReportFile(options)
  try {
    await file.write(tree, { ...outcome, lost: tree.lost })
  } finally {
    file.close()
  }
  return EXIT_CODES.done.code
}

/** Resolves when the command has exited. Until then, signals are passed to it. */
async function execute([program, ...args]: Command): Promise<ExitStatus | NodeJS.ErrnoException> {
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
      const started = spawn(program, args, { stdio: 'inherit' })
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
async function exitsReported(tree: ProcessTree, pid: number): Promise<void> {
  const deadline = performance.now() + REPORT_TIMEOUT_MS
  const areReported = (): boolean =>
    (tree.rootOf(pid)?.end ?? null) !== null && !tree.runningPids().some((other) => !isRunning(other))
  while (!areReported() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Node.js has no name for a real-time signal, and reports a command that one has killed as code 0: the kernel does not. */
function outcomeOf(ended: ExitStatus, tree: ProcessTree): Pick<ExitStatus, 'exitCode' | 'signal'> {
  const { exitCode = null, signal = null } = tree.rootOf(ended.pid)?.end ?? {}
  // The kernel's own report may have been lost.
  return exitCode === null && signal === null ? ended : { exitCode, signal }
}

function shownCommand(command: readonly string[], { args }: RunOptions): readonly string[] {
  return args === 'shown' ? command : args === 'redacted' ? redactSecrets(command) : command.slice(0, 1)
}
