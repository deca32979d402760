/** Helpers for tests under load: storms of short processes, and checks for required tools. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const source = fileURLToPath(new URL('load.c', import.meta.url))

/**
 * One short process. A reused pid belongs to several instances. Its parent took the times before its start and after its
 * exit, in nanoseconds as in events.
 */
export interface ProcessInstance {
  readonly pid: number
  readonly began: number
  readonly ended: number
}

/** The processes of a storm. */
export interface Storm {
  /** Every short process. A pid may occur several times. */
  readonly instances: readonly ProcessInstance[]
  /** The pids of processes that started during the storm and still run. */
  readonly stays: readonly number[]
}

export interface StormSize {
  /** The number of short processes. */
  readonly count: number
  /** The number of short processes at a time. */
  readonly workers?: number
  /** The number of further processes that stay. */
  readonly stays?: number
}

export interface BombSize {
  /** The number of processes with 1 MB of arguments. */
  readonly count: number
  readonly program?: string
  /** The nice value of their parent. */
  readonly nice?: number
}

/** The program of `load.c`, compiled under a name that nothing else on the machine has. */
export class Load {
  readonly path: string
  /** The exit code of the short processes. It differs from the exit codes of tests that run at the same time. */
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

  /** Starts a storm. `done` resolves when every short process has exited. */
  storm(size: StormSize): { child: ChildProcess; done: Promise<Storm> } {
    const file = this.#file()
    const child = spawn(this.path, this.#arguments(size, file), { stdio: ['ignore', 'ignore', 'inherit'] })
    return { child, done: once(child, 'exit').then(([code, signal]) => this.#result(file, code ?? signal)) }
  }

  /** Runs a storm that blocks JavaScript's thread. */
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
        const instances = readInstances(file)
        if (code !== 0) throw new Error(`the bomber ended with ${String(code ?? signal)}`)
        return instances
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
    const storm = { instances: readInstances(file), stays: readInstances(`${file}.stays`).map(({ pid }) => pid) }
    storm.stays.forEach((pid) => this.#started.add(pid))
    if (status !== 0) throw new Error(`the storm ended with ${String(status)}`)
    return storm
  }

  /** A static program of three instructions, which exits with `code`. */
  get shortest(): string {
    return this.#end
  }

  /** Returns true if the kernel has a feature. Otherwise logs that it lacks it, and that this part is not tested. */
  hasFeature(t: ExecutionContext, feature: 'reaped-code' | 'comm-write'): boolean {
    const { status, stderr } = spawnSync(this.path, ['ask', feature], { encoding: 'utf8' })
    if (status !== 0 && status !== 3) throw new Error(`load ask ${feature} ended with ${String(status)}: ${stderr}`)
    return status === 0 || skipped(t, `this kernel lacks ${feature}`)
  }

  /** Kills one of the processes that stay. */
  end(pid: number): void {
    if (this.#started.delete(pid)) process.kill(pid, 'SIGKILL')
  }

  /** Copies another program to the same folder, under a new name. */
  copy(program: string, name: string): string {
    const path = join(this.#folder, name)
    copyFileSync(program, path)
    return path
  }

  /** Kills the processes that stay, and removes the program. */
  remove(): void {
    for (const pid of this.#started) process.kill(pid, 'SIGKILL')
    this.#started.clear()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Reads the instances that the program wrote, and removes the file. */
function readInstances(path: string): ProcessInstance[] {
  const figures = new BigUint64Array(new Uint8Array(readFileSync(path)).buffer)
  rmSync(path)
  return Array.from({ length: figures.length / 3 }, (_, index) => {
    const [pid, began, ended] = figures.subarray(3 * index, 3 * index + 3)
    return { pid: Number(pid), began: Number(began), ended: Number(ended) }
  })
}

/** Returns true if these programs are installed. Otherwise the test passes and logs the reason. */
export function has(t: ExecutionContext, ...programs: readonly string[]): boolean {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  if (missing.length === 0) return true
  return skipped(t, `${missing.join(', ')} not found`)
}

/** Passes a test that cannot run on this machine, and logs the reason. Returns false. */
export function skipped(t: ExecutionContext, reason: string): false {
  t.log(`not tested: ${reason}`)
  t.pass()
  return false
}

/** Returns true if a process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}
