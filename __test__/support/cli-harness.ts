/** Runs the `proc-events` command as a child of a test, with processes for it to report. */
import { type ChildProcess, type StdioOptions, execFileSync, spawn } from 'node:child_process'
import { constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import type { ExecutionContext } from 'ava'
import { connectorSockets, copyOf, until } from './helpers.ts'

export const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

// The environment of the test run must not decide on colours.
const { FORCE_COLOR: _force, NO_COLOR: _no, CI: _ci, ...plain } = process.env

export function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => child.once('close', (code, signal) => resolve([code, signal])))
}

export interface Command {
  child: ChildProcess
  ended: Promise<[number | null, NodeJS.Signals | null]>
  stdout: string
  stderr: string
  /** Returns the complete lines of one process. */
  of(pid: number): string[]
}

interface Settings {
  env?: NodeJS.ProcessEnv
  stdio?: StdioOptions
  /** Runs the command without a terminal, even if the tests have one. */
  detached?: boolean
  /** Wraps the command line in that of another program. */
  by?: (command: string[]) => string[]
}

export function command(
  t: ExecutionContext,
  args: string[],
  { env = {}, stdio = 'pipe', detached = false, by = (it) => it }: Settings = {},
): Command {
  const [file, ...rest] = by([process.execPath, main, ...args])
  const child = spawn(file!, rest, { env: { ...plain, ...env }, stdio, detached })
  t.teardown(() => child.kill('SIGKILL'))
  const of = (pid: number) =>
    it.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => pidOf(line) === pid)
  const it: Command = { child, ended: ended(child), stdout: '', stderr: '', of }
  child.stdout?.setEncoding('utf8').on('data', (text) => (it.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text) => (it.stderr += text))
  return it
}

function pidOf(line: string): number {
  if (line.startsWith('{')) return JSON.parse(line).pid
  return Number(/^\S+ [ !~]\w+ +(\d+)/.exec(stripVTControlCharacters(line))?.[1])
}

let copies = 0
/** Creates a copy of the shell under a unique name. */
export function program(t: ExecutionContext, name = `pe${process.pid}n${copies++}`): { name: string; path: string } {
  const { path, remove } = copyOf('/bin/sh', name)
  t.teardown(remove)
  return { name, path }
}

/** Starts a process, waits for its exec line, lets it continue, and waits for its exit line. */
export async function run(watching: Command, path: string, last: string): Promise<number> {
  const child = spawn(path, ['-c', `read line; ${last}`], { stdio: ['pipe', 'ignore', 'ignore'] })
  await until(`the exec of ${child.pid} is printed`, () => watching.of(child.pid!).length === 1)
  child.stdin.end('\n')
  await until(`the exit of ${child.pid} is printed`, () => watching.of(child.pid!).length === 2)
  return child.pid!
}

/** Resolves when the command reports new processes. */
export async function watching(it: Command, path = '/bin/true'): Promise<void> {
  const pids: number[] = []
  while (!pids.some((pid) => it.of(pid).length > 0)) {
    const child = spawn(path, ['-c', ':'], { stdio: 'ignore' })
    pids.push(child.pid!)
    await ended(child)
  }
}

/** Creates a full pipe, and a function that empties it. */
export function fullPipe(): { fd: number; empty: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  // Open a second reader, because a child that gets `fd` as its stdout may make it blocking.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  rmSync(folder, { recursive: true })
  const tried = (action: () => number): number => {
    try {
      return action()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
      throw error
    }
  }
  const page = Buffer.alloc(4096, '\n')
  while (tried(() => writeSync(fd, page)) > 0);
  const empty = () => {
    let text = ''
    for (let n; (n = tried(() => readSync(reader, page))) > 0;) text += page.toString('utf8', 0, n)
    return text
  }
  return { fd, empty }
}

/** Runs the command on a new pseudo-terminal. Its stdin is the keyboard, and its stderr is on the screen, too. */
export function onTerminal(t: ExecutionContext, args: string[], columns: number, rows: number = 24): Command {
  const by = (of: string[]) => [
    'script',
    '-qec',
    `stty cols ${columns} rows ${rows}; exec ${of.join(' ')}`,
    '/dev/null',
  ]
  return command(t, args, { by, env: { TERM: 'xterm-256color' } })
}

/** Returns true if the process catches SIGINT. */
export function catchesInterrupts(pid: number): boolean {
  const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return (BigInt(`0x${mask}`) & 2n) !== 0n
}

/** Returns true if the process listens to the process connector. */
export function isListening(pid: number): boolean {
  return connectorSockets(pid).some(({ joined }) => joined)
}
