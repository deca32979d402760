/** Reads the /proc files of single processes. */
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { defaultProcRoot } from '../../native/binding.js'

/** Returns the fields after the name in /proc/PID/stat: state, parent, process group and so on; null if there is no such process. */
function statOf(pid: number | 'self', from: string = defaultProcRoot()): readonly string[] | null {
  const text = read(`${from}/${pid}/stat`)
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** It is there, and has not ended. */
export function isRunning(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Returns true if /proc shows the pids of this process's own pid namespace. A /proc that cannot be read is no reason against it. */
export function showsOwnPids(): boolean {
  try {
    return readlinkSync(`${defaultProcRoot()}/self`) === String(process.pid)
  } catch {
    return true
  }
}

/** Returns true if the terminal, if there is one, sends its signals to this process. */
export function isForeground(): boolean {
  const [, , group, , , foreground] = statOf('self', '/proc') ?? []
  return group !== undefined && group === foreground
}

/** Returns the name of a process; null if it does not run. */
export function nameOf(pid: number, from: string = defaultProcRoot()): string | null {
  return read(`${from}/${pid}/comm`)?.replace(/\n$/, '') ?? null
}

/** Returns details of a running process. A detail that cannot be read is null. */
export function readDetails(pid: number): { name: string | null; argv: string[] | null; uid: number | null } {
  const argv = read(`${defaultProcRoot()}/${pid}/cmdline`)?.replace(/\0$/, '').split('\0') ?? null
  return { name: nameOf(pid), argv, uid: ownerOf(pid) }
}

/** Returns the kernel's random id of this boot; null if it cannot be read. */
export function bootId(from: string = defaultProcRoot()): string | null {
  return read(`${from}/sys/kernel/random/boot_id`)?.trim() ?? null
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
