/** Starts processes whose files in /proc cannot be read, with `support/hung.c` of the core's tests. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lines, until } from './helpers.ts'

const source = fileURLToPath(new URL('../../crates/proc-events/tests/support/hung.c', import.meta.url))

/** A read of `/proc` that takes longer is blocked. */
const BLOCKED_MS = 300

/**
 * A process that hangs:
 * - `'memory'`: its memory lock is never released, so that `/proc/PID/cmdline` cannot be read.
 * - `'links'`: its program and its working folder are in a file system that does not answer.
 */
export type Hang = 'memory' | 'links'

/** A process that hangs until `release()`. */
export class HungProcess {
  readonly pid: number
  /** The mount point of the unresponsive file system. */
  readonly mount: string
  readonly #folder: string
  readonly #server: ChildProcess
  readonly #closed: Promise<unknown>

  private constructor(pid: number, folder: string, server: ChildProcess) {
    this.pid = pid
    this.mount = join(folder, 'mount')
    this.#folder = folder
    this.#server = server
    this.#closed = once(server, 'close')
  }

  /** Returns why no process can be made to hang on this machine, or undefined if one can. */
  static missing(): string | undefined {
    if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
    if (process.getuid!() !== 0) return 'only root may mount a file system'
    return spawnSync('which', ['cc']).status === 0 ? undefined : 'there is no C compiler'
  }

  /** Starts a process, and resolves when it hangs. */
  static async start(hang: Hang = 'memory'): Promise<HungProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
    const program = join(folder, 'hung')
    mkdirSync(join(folder, 'mount'))
    const compiled = spawnSync('cc', ['-O1', '-pthread', '-o', program, source], { encoding: 'utf8' })
    if (compiled.status !== 0) throw new Error(`cc failed: ${compiled.stderr}`)
    const args = [join(folder, 'mount'), ...(hang === 'links' ? ['links'] : [])]
    const server = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const { value } = (await lines(server).next()) as { value?: string }
    const hung = new HungProcess(Number(value), folder, server)
    try {
      if (value === undefined) throw new Error('the file system could not be mounted')
      await hung.#hangs(hang)
    } catch (error) {
      await hung.release()
      throw error
    }
    return hung
  }

  async #hangs(hang: Hang): Promise<void> {
    // The lock stays taken once another thread waits for it. A read before that would itself become the waiting one.
    if (hang === 'memory') await until('a thread waits for the memory lock', () => this.#isWaited())
    const path = hang === 'memory' ? `/proc/${this.pid}/cmdline` : join(this.mount, 'program')
    await until(`reading ${path} blocks`, () => {
      const { error } = spawnSync('cat', [path], { stdio: 'ignore', timeout: BLOCKED_MS, killSignal: 'SIGKILL' })
      return (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT'
    })
  }

  #isWaited(): boolean {
    return readdirSync(`/proc/${this.pid}/task`).some((tid) => {
      const stat = readFileSync(`/proc/${this.pid}/task/${tid}/stat`, 'latin1')
      return stat.charAt(stat.lastIndexOf(')') + 2) === 'D'
    })
  }

  /** Ends the process, and resolves when its file system is unmounted. */
  async release(): Promise<void> {
    this.#server.stdin!.end()
    await this.#closed
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
