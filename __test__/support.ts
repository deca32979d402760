/** For the tests on the real kernel: waiting for conditions, and processes of one's own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const PATIENCE_MS = 20_000

/** Waits until `holds` does, looking every few milliseconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Starts a program and waits for its end; resolves with its pid. */
export async function run(program: string, args: readonly string[] = []): Promise<number> {
  const child = spawn(program, args, { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid!
}

/** A copy of a program under a name that nothing else on the machine has. */
export function copyOf(program: string, name: string): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  const path = join(folder, name)
  copyFileSync(program, path)
  chmodSync(path, 0o755)
  return { path, remove: () => rmSync(folder, { recursive: true }) }
}

/** The next line that a child writes. */
export function lines(child: ChildProcess): AsyncIterableIterator<string> {
  return createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
}

export const threads = (): number => readdirSync('/proc/self/task').length
export const descriptors = (): number => readdirSync('/proc/self/fd').length

/** Blocks JavaScript's thread. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
