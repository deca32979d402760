/** For the tests under load: storms of short processes, and whether the machine has the tools that a test takes. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const source = fileURLToPath(new URL('load.c', import.meta.url))

/** One short process. Times are nanoseconds, as in the events: its parent took them before its start and after its end. */
export interface ProcessInstance {
  readonly pid: number
  readonly began: number
  readonly ended: number
}

/** What a storm consisted of. */
export interface Storm {
  /** Every short process; a number may come again. */
  readonly lives: readonly ProcessInstance[]
  /** Those that were born in its midst and run on. */
  readonly stays: readonly number[]
}

/** How many short processes; how many of those at a time; how many more that stay. */
export interface StormSize {
  readonly count: number
  readonly workers?: number
  readonly stays?: number
}

/** How many processes with 1 MB of arguments, of which program, and how nice their parent is. */
export interface BombSize {
  readonly count: number
  readonly program?: string
  readonly nice?: number
}

/** The program of `load.c`, compiled under a name that nothing else on the machine has. */
export class Load {
  readonly path: string
  /** The exit code of the short processes: not that of those which other tests start at the same time. */
  readonly code: number = 64 + (process.pid % 128)
  readonly #folder: string
  readonly #end: string
  readonly #started = new Set<number>()
  #storms = 0

  constructor(name: string) {
    this.#folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
    this.path = join(this.#folder, name)
    this.#end = join(this.#folder, 'end')
    this.#compile(this.path, ['-pthread'])
    this.#compile(this.#end, [`-DEND=${this.code}`, '-nostdlib', '-static'])
  }

  #compile(path: string, flags: readonly string[]): void {
    const { status, stderr } = spawnSync('cc', ['-O2', ...flags, '-o', path, source], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`cc failed: ${stderr}`)
  }

  /** Starts a storm. `done` resolves when all that does not stay has ended. */
  storm(size: StormSize): { child: ChildProcess; done: Promise<Storm> } {
    const file = this.#file()
    const child = spawn(this.path, this.#arguments(size, file), { stdio: ['ignore', 'ignore', 'inherit'] })
    return { child, done: once(child, 'exit').then(([code, signal]) => this.#result(file, code ?? signal)) }
  }

  /** A storm that blocks JavaScript's thread all the while. */
  stormSync(size: StormSize): Storm {
    const file = this.#file()
    const args = this.#arguments(size, file)
    const { status, signal } = spawnSync(this.path, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    return this.#result(file, status ?? signal)
  }

  /** Starts processes with 1 MB of arguments, as the user nobody. `done` resolves when all of them have ended. */
  bomb({ count, program = '/bin/true', nice = 0 }: BombSize): {
    child: ChildProcess
    done: Promise<readonly ProcessInstance[]>
  } {
    const file = this.#file()
    const args = ['bomb', program, String(count), String(nice), file]
    const child = spawn(this.path, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    return {
      child,
      done: once(child, 'exit').then(([code, signal]) => {
        const lives = readLives(file)
        if (code !== 0) throw new Error(`the bomber ended with ${String(code ?? signal)}`)
        return lives
      }),
    }
  }

  #file(): string {
    return join(this.#folder, `storm-${++this.#storms}`)
  }

  #arguments({ count, workers = 2, stays = 0 }: StormSize, file: string): string[] {
    return ['storm', this.#end, String(count), String(workers), String(stays), file]
  }

  #result(file: string, status: unknown): Storm {
    const storm = { lives: readLives(file), stays: readLives(`${file}.stays`).map(({ pid }) => pid) }
    storm.stays.forEach((pid) => this.#started.add(pid))
    if (status !== 0) throw new Error(`the storm ended with ${String(status)}`)
    return storm
  }

  /** Ends one that stays. */
  end(pid: number): void {
    if (this.#started.delete(pid)) process.kill(pid, 'SIGKILL')
  }

  /** A copy of another program in the same place, under a name of its own. */
  copy(program: string, name: string): string {
    const path = join(this.#folder, name)
    copyFileSync(program, path)
    return path
  }

  /** Ends those that stay, and removes the program. */
  remove(): void {
    for (const pid of this.#started) process.kill(pid, 'SIGKILL')
    this.#started.clear()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Reads the lives that the program noted, and removes the file. */
function readLives(path: string): ProcessInstance[] {
  const figures = new BigUint64Array(new Uint8Array(readFileSync(path)).buffer)
  rmSync(path)
  return Array.from({ length: figures.length / 3 }, (_, index) => {
    const [pid, began, ended] = figures.subarray(3 * index, 3 * index + 3)
    return { pid: Number(pid), began: Number(began), ended: Number(ended) }
  })
}

/** Whether these programs are there. If not, the test that needs them is passed over, and says so. */
export function has(t: ExecutionContext, ...programs: readonly string[]): boolean {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  if (missing.length === 0) return true
  t.log(`not tested, for want of ${missing.join(', ')}`)
  t.pass()
  return false
}

/** Whether a process runs: it is there, and has not ended. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}
