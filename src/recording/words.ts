/** Command lines and outcomes in words. */
import type { EventEntry } from './entry.js'
import { printable } from './text.js'

export interface Outcome {
  readonly exitCode?: number | null
  readonly signal?: string | null
}

/** Returns true if a process ended by a signal or with an exit code other than 0. Unknown counts as success. */
export function isFailed({ signal, exitCode }: Outcome): boolean {
  return (signal ?? null) !== null || (exitCode ?? 0) !== 0
}

/** Returns the exit code or the signal's name; `-` if neither is known. */
export function statusOf({ signal, exitCode }: Outcome): string {
  return printable(signal ?? `${exitCode ?? '-'}`)
}

/** Returns the command line as typed to a shell, or the name if the arguments are unknown. */
export function commandOf({ argv, name }: Partial<Pick<EventEntry, 'argv' | 'name'>>): string {
  if (argv !== null && argv !== undefined && argv.length > 0) return argv.map(quoted).join(' ')
  return typeof name === 'string' ? printable(name) : '-'
}

/** Returns the command line, or `(a fork of PARENT)` for a process without an exec. */
export function commandOrFork(entry: EventEntry): string {
  const { type, argv, name, parentName, durationNs = null } = entry
  const isFork = type === 'fork' || (type === 'exit' && durationNs === null && argv === null)
  return isFork && (name === null || name === parentName) ? forkOf(parentName) : commandOf(entry)
}

export function forkOf(parentName: string | null): string {
  return parentName === null ? '-' : `(a fork of ${printable(parentName)})`
}

/** Quotes an argument for a shell, if needed. */
function quoted(argument: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./~^[\]{}-]+$/u.test(argument)) return argument
  return `'${printable(argument).replaceAll("'", String.raw`'\''`)}'`
}
