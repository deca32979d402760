/** A program of the benchmark that answers requests, see `peers/scale/answer.mjs`. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { cost } from './procfs.ts'

/** The longest time for one answer, in milliseconds. */
const ANSWER_TIMEOUT_MS = 120_000

export class Child {
  readonly #process: ChildProcess

  /** Starts the program with `global.gc`. */
  constructor(file: string) {
    this.#process = fork(file, { execArgv: ['--expose-gc'] })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Resolves with the answer. Rejects if the child fails, or ends. */
  async ask<T>(request: string, argument?: unknown): Promise<T> {
    const over = new AbortController()
    const { signal } = over
    try {
      const answered = once(this.#process, 'message', { signal })
      const ended = once(this.#process, 'exit', { signal })
      const late = setTimeout(ANSWER_TIMEOUT_MS, undefined, { signal })
      this.#process.send({ request, argument })
      const first = await Promise.race([answered, ended.then(() => 'ended'), late.then(() => 'did not answer')])
      if (typeof first === 'string') throw new Error(`${request}: the program ${first}`)
      const [{ answer, error }] = first as [{ answer: T; error?: string }]
      if (error !== undefined) throw new Error(`${request}: ${error}`)
      return answer
    } finally {
      over.abort()
    }
  }

  /** Resolves with the CPU time so far, in seconds. It includes threads that have ended. */
  async cpu(): Promise<number> {
    return this.ask('cpu')
  }

  /** Resolves with the size of the JavaScript objects after a garbage collection, in MB. */
  async objects(): Promise<number> {
    return this.ask('collect')
  }

  /** Resolves with the resident memory that no file backs after a garbage collection, in MB. */
  async memory(): Promise<number> {
    await this.objects()
    return cost(this.pid).anonymous
  }

  /** Ends the program. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}

/** Ends the program after `use`. */
export async function withChild<T>(file: string, use: (child: Child) => Promise<T>): Promise<T> {
  const child = new Child(file)
  try {
    return await use(child)
  } finally {
    await child.end()
  }
}
