/** Starts processes that rename themselves on request, see `renamer.c`. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lines } from './helpers.ts'

const source = fileURLToPath(new URL('renamer.c', import.meta.url))

/** Compiles the program into a folder. Returns its path. */
export function compileRenamer(folder: string, name: string): string {
  const path = join(folder, name)
  const { status, stderr } = spawnSync('cc', ['-O1', '-pthread', '-o', path, source], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`cc failed: ${stderr}`)
  return path
}

/** A running program that renames itself on request. */
export class Renamer {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #closed: Promise<unknown>

  /** `argv0`: the first argument, if it is not the path. */
  constructor(path: string, args: readonly string[] = [], argv0?: string) {
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    this.#child = spawn(path, args, { stdio: [...stdio], ...(argv0 === undefined ? {} : { argv0 }) })
    this.pid = this.#child.pid!
    this.#answers = lines(this.#child)
    this.#closed = once(this.#child, 'close')
  }

  /** Renames the main thread or another thread, once or many times, or overwrites the arguments. */
  async request(what: 'comm' | 'thread' | 'threads' | 'title' | 'storm', name: string): Promise<void> {
    this.#child.stdin!.write(`${what} ${name}\n`)
    const { value } = await this.#answers.next()
    if (value !== 'ok') throw new Error(`the renamer answered ${value}`)
  }

  /** Ends the process, whose exit code is 3. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    await this.#closed
  }
}
