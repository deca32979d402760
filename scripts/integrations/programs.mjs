// The processes of a part: started, awaited, stopped, and all ended at its end.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'

const running = new Set()

export class Program {
  /** Starts a command. `output` names a file for its standard output, `errors` one for its standard error. `stdout`: a stream. */
  constructor(command, args, { output, errors, append = false, stdout, ...options } = {}) {
    const files = [output, errors].map((name) => (name === undefined ? undefined : openSync(name, append ? 'a' : 'w')))
    const stdio = ['ignore', stdout ?? files[0] ?? 'pipe', files[1] ?? 'pipe']
    this.child = spawn(command, args, { stdio, ...options })
    this.name = command
    this.text = ''
    this.exit = once(this.child, 'exit')
    // An error is also thrown where the end is awaited.
    this.exit.catch(() => {})
    for (const file of files) if (file !== undefined) closeSync(file)
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => (this.text += text))
    running.add(this)
    this.exit.finally(() => running.delete(this)).catch(() => {})
  }

  get pid() {
    return this.child.pid
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  signal(signal) {
    if (this.isRunning) process.kill(this.pid, signal)
  }

  /** Ends it, and resolves with its exit code and signal. After the time it is killed. */
  async end(signal = 'SIGTERM', seconds = 30) {
    this.signal(signal)
    const timer = new AbortController()
    const late = setTimeout(seconds * 1000, undefined, { signal: timer.signal }).then(
      () => this.signal('SIGKILL'),
      () => {},
    )
    const result = await this.exit
    timer.abort()
    await late
    return result
  }

  /** The most memory that it has had, in megabytes. */
  get memoryMax() {
    return Math.round(
      (Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6,
    )
  }

  /** CPU time in seconds, of this process and of its children that still run. */
  get cpu() {
    return cpuOf(this.pid)
  }
}

function cpuOf(pid) {
  let nanoseconds = 0
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'), 10)
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim()
      for (const child of children === '' ? [] : children.split(' ')) nanoseconds += cpuOf(child) * 1e9
    }
  } catch (error) {
    // A task may end meanwhile.
    if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error
  }
  return nanoseconds / 1e9
}

export async function endAll() {
  await Promise.all([...running].map((program) => program.end('SIGTERM', 5).catch(() => {})))
}

/** Runs a command to its end. Resolves with its exit code and all that it has printed. */
export async function run(command, args, options) {
  const program = new Program(command, args, options)
  const [code] = await once(program.child, 'close')
  return { code, text: program.text }
}

/** Resolves when the condition holds, and fails after the time. */
export async function until(what, condition, seconds = 30) {
  const deadline = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${seconds} s`)
    await setTimeout(50)
  }
}

/** Lets the given time pass, in which something is away. */
export const pause = (seconds) => setTimeout(seconds * 1000)

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

export async function isServed(url) {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}
