/** Reads the /proc files of single processes, this one among them. */
import { readFileSync, statSync } from 'node:fs'
import { defaultProcRoot } from '../../native/binding.js'

/** What stands behind the name in /proc/PID/stat: state, parent, process group, …; null where there is no such process. */
function statOf(pid: number | 'self', from: string = defaultProcRoot()): readonly string[] | null {
  const text = read(`${from}/${pid}/stat`)
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** It is there, and has not ended. */
export function isRunning(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Returns true if the terminal, if there is one, sends its signals to this process. */
export function isForeground(): boolean {
  const [, , group, , , foreground] = statOf('self', '/proc') ?? []
  return group !== undefined && group === foreground
}

/** What it is called; null where it does not run. */
export function nameOf(pid: number, from: string = defaultProcRoot()): string | null {
  return read(`${from}/${pid}/comm`)?.replace(/\n$/, '') ?? null
}

/** What can be read of a process that runs; null where it cannot be. */
export function readDetails(pid: number): { name: string | null; argv: string[] | null; uid: number | null } {
  const argv = read(`${defaultProcRoot()}/${pid}/cmdline`)?.replace(/\0$/, '').split('\0') ?? null
  return { name: nameOf(pid), argv, uid: ownerOf(pid) }
}

export function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function ownerOf(pid: number): number | null {
  return statSync(`${defaultProcRoot()}/${pid}`, { throwIfNoEntry: false })?.uid ?? null
}
