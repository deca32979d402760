/** The exit codes of the command, and the exit code for each error. */
import { constants } from 'node:os'
import { type ErrorCode, ProcessMonitorError, hintFor } from '../api/errors.js'

export const EXIT_CODES = {
  done: { code: 0, brief: 'ok', meaning: 'Done, or ended by Ctrl-C or SIGTERM.' },
  failed: { code: 1, brief: 'error', meaning: 'Something failed.' },
  usage: { code: 2, brief: 'usage', meaning: 'The command line is invalid.' },
  unsupported: { code: 3, brief: 'not possible here', meaning: 'Not supported or not permitted on this machine.' },
} as const

/** The exit codes that only `run` and `wait` add to those of their processes. */
export const PROCESS_EXIT_CODES = {
  timedOut: { code: 124, meaning: 'wait: --duration ran out before all processes had exited.' },
  notRunnable: { code: 126, meaning: 'run: CMD was found, but could not be run.' },
  notFound: { code: 127, meaning: 'run: CMD was not found.' },
} as const

/** Errors that are due to the machine or the user's permissions. Trying again does not help. */
const UNSUPPORTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_PERMISSION',
  'ERR_PID_NAMESPACE',
  'ERR_USER_NAMESPACE',
  'ERR_NETWORK_NAMESPACE',
  'ERR_CONNECTOR_UNAVAILABLE',
  'ERR_UNSUPPORTED_PLATFORM',
  'ERR_NATIVE_BINDING',
  'ERR_PROC_UNREADABLE',
  'ERR_PROC_NAMESPACE',
])

/** The command line is invalid. The message says why. */
export class UsageError extends Error {
  /** The command whose help explains it. Empty or absent: the default command. */
  readonly command: string | undefined

  constructor(message: string, command?: string) {
    super(message)
    this.command = command
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_CODES.usage.code
  if (error instanceof ProcessMonitorError && UNSUPPORTED.has(error.code)) return EXIT_CODES.unsupported.code
  return EXIT_CODES.failed.code
}

/** The next thing to do, where the advice of the API is a call in JavaScript. */
const COMMAND_HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_PROC_UNREADABLE: 'Mount a proc file system there, or name another one in $HOST_PROC.',
  ERR_SOURCE_FAILED: 'Start the command again.',
  ERR_UNSUPPORTED_PLATFORM: 'Run it on Linux.',
}

/** Returns the message of an error of the API with the command's advice. */
export function commandMessage(message: string, code: ErrorCode): string {
  const [hint, commandHint] = [hintFor(code), COMMAND_HINTS[code]]
  const adapted = hint === undefined || commandHint === undefined ? message : message.replace(hint, () => commandHint)
  return adapted.replaceAll("source: 'auto'", '--source auto').replaceAll('procRoot, $HOST_PROC', '$HOST_PROC')
}

/** Returns an error as one line: its code, if any, and the next thing to do. */
export function describe(error: unknown): string {
  if (error instanceof UsageError) return `${oneLine(error.message)} (see ${helpCommand(error)})`
  if (error instanceof ProcessMonitorError)
    return `${error.code}: ${oneLine(commandMessage(error.message, error.code))}`
  return oneLine(error instanceof Error ? error.message : String(error))
}

function helpCommand({ command }: UsageError): string {
  return ['proc-events', command, '--help'].filter(Boolean).join(' ')
}

/** Returns 128 plus the number of the signal, as shells do; 128 for one that is not known. */
export function signalCode(signal: string): number {
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? unnamedSignal(signal))
}

/** The kernel's; the C library gives away those from SIGRTMIN on, of which it keeps the first two for itself. */
const [SIGRTMIN, SIGNAL_MAX] = [34, 64]

/** Returns the number of a signal that Node.js has no name for: SIGRTMIN+n, or SIGn. */
function unnamedSignal(signal: string): number {
  const [, base, digits] = /^SIG(RTMIN\+)?(\d{1,2})$/.exec(signal) ?? []
  const number = Number(digits ?? 0) + (base === undefined ? 0 : SIGRTMIN)
  return number <= SIGNAL_MAX ? number : 0
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ')
}
