/** Short names for processes in pictures. */
import { excerpt } from '../recording/text.js'
import { commandOf, isFailed } from '../recording/words.js'
import type { Exec, ProcessNode } from './process-tree.js'

/** Programs in a label. Of a longer chain, the first and the last are shown. */
const LABEL_PROGRAMS = 4

/** Returns the name of a program. */
export function programOf({ name, exe }: Exec): string {
  return name ?? exe?.slice(exe.lastIndexOf('/') + 1) ?? '?'
}

/** Returns the programs of a process, one after the other; `(fork of PARENT)` without any. */
export function labelOf({ execs, parentName }: ProcessNode): string {
  if (execs.length === 0) return `(fork of ${parentName ?? '?'})`
  const names = execs.map((exec) => programOf(exec)).filter((name, index, all) => name !== all[index - 1])
  return (names.length > LABEL_PROGRAMS ? [names[0], '…', names.at(-1)] : names).join(' → ')
}

/** Returns the program that a process ran at a time, or the one that its parent ran at the fork. */
export function programAt({ execs, parentName }: ProcessNode, ns: number): string {
  const exec = execs.findLast(({ timestampNs }) => timestampNs <= ns) ?? execs[0]
  return exec === undefined ? (parentName ?? '?') : programOf(exec)
}

/** Returns the last command line, cut; null if it is not known. */
export function commandLineOf({ execs }: ProcessNode, most: number): string | null {
  const { argv = null } = execs.at(-1) ?? {}
  return argv === null ? null : excerpt(commandOf({ argv }), most)
}

/** Returns how a process ended: `exit 1`, a signal, `still running`, `exit code unknown`. */
export function endingOf({ end }: ProcessNode): string {
  if (end === null) return 'still running'
  if (end.signal !== null) return end.coreDumped ? `${end.signal}, core dumped` : end.signal
  return end.exitCode === null ? 'exit code unknown' : `exit ${end.exitCode}`
}

/** Returns true if the process ended by a signal or with an exit code other than 0. */
export function hasFailed({ end }: ProcessNode): boolean {
  return end !== null && isFailed(end)
}
