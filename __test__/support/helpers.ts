/** Helpers for tests on the real kernel: waiting for conditions, and starting processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ExecutionContext } from 'ava'
import { type MonitorOptions, type ProcessMonitor, getProcessMonitor } from '../../dist/index.js'

/** Slow machines, such as those of `npm run kernels`, get a multiple of the time and a fraction of the load. */
export const SLOWNESS = Number(process.env.PROC_EVENTS_PATIENCE) || 1

/** Returns a duration that the machine's speed allows for what takes `milliseconds` on a usual one. */
export const atMost = (milliseconds: number): number => milliseconds * SLOWNESS

/** Returns the size of a load that takes as long on this machine as `count` takes on a usual one. */
export const loadOf = (count: number): number => Math.ceil(count / SLOWNESS)

const TIMEOUT_MS = atMost(20_000)

/** Waits until `holds` returns true. Polls every 2 ms. `what` describes the condition in the timeout's error. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`timed out before ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Runs `use` with an initialized monitor, and stops the monitor afterwards. */
export async function monitoring(
  use: (monitor: ProcessMonitor) => Promise<void>,
  options?: MonitorOptions,
): Promise<void> {
  const monitor = getProcessMonitor()
  try {
    await monitor.initialize(options)
    await use(monitor)
  } finally {
    await monitor.stop()
  }
}

/** Runs a program. Resolves with its pid after its exit. */
export async function run(program: string, args: readonly string[] = []): Promise<number> {
  const child = spawn(program, args, { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid!
}

/** Creates a folder that is removed after the test. Returns its path. */
export function temporaryFolder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'proc-events-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** Copies a program to a new folder under a unique name. */
export function copyOf(program: string, name: string): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  const path = join(folder, name)
  copyFileSync(program, path)
  chmodSync(path, 0o755)
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}

/** Returns an iterator over the lines that a child writes. */
export function lines(child: ChildProcess): AsyncIterableIterator<string> {
  return createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
}

/** Returns the number of native readers in this process. Each has one thread. */
export function readers(): number {
  const names = readdirSync('/proc/self/task').map((tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim()
    } catch {
      return 'ended'
    }
  })
  return names.filter((name) => name === 'proc-events').length
}

/**
 * Returns the threads of this process that are blocked in reading a process's arguments: the name of the thread, and the
 * file that it reads.
 */
export function stuckReads(): { readonly name: string; readonly path: string }[] {
  return readdirSync('/proc/self/task').flatMap((tid) => {
    try {
      const task = `/proc/self/task/${tid}`
      const [, name, state] = /^\d+ \((.*)\) (\w)/s.exec(readFileSync(`${task}/stat`, 'latin1')) ?? []
      if (state !== 'D') return []
      const descriptor = Number(readFileSync(`${task}/syscall`, 'latin1').split(' ')[1])
      const path = readlinkSync(`/proc/self/fd/${descriptor}`)
      return path.endsWith('/cmdline') ? [{ name: name!, path }] : []
    } catch {
      // The thread has ended meanwhile.
      return []
    }
  })
}

export const threads = (): number => readdirSync('/proc/self/task').length
export const descriptors = (): number => readdirSync('/proc/self/fd').length

/**
 * Returns a process's sockets of the process connector, the reader's first: the port, true if the socket has joined the
 * group, and the number of dropped messages.
 */
export function connectorSockets(
  pid: number | 'self' = 'self',
): { readonly port: number; readonly joined: boolean; readonly drops: number }[] {
  const inodes: string[] = []
  for (const fd of readdirSync(`/proc/${pid}/fd`).sort((a, b) => Number(a) - Number(b))) {
    try {
      inodes.push(/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '')
    } catch {
      // The descriptor of this listing itself is closed by now.
    }
  }
  const lines = readFileSync('/proc/net/netlink', 'utf8').trim().split('\n')
  const sockets = lines.map((line) => line.trim().split(/\s+/))
  const own = inodes.flatMap((inode) => {
    return sockets.filter(([, protocol, , , , , , , , its]) => protocol === '11' && its === inode).slice(0, 1)
  })
  return own.map(([, , port, groups, , , , , drops]) => ({
    port: Number(port),
    joined: Number.parseInt(groups!, 16) !== 0,
    drops: Number(drops),
  }))
}

/** Blocks JavaScript's thread. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
