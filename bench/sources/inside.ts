/**
 * Measures one observer under all loads, within the namespace and as the user that this program runs as. The argument is a
 * {@link Task} as JSON. Prints a {@link Result} as JSON.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { parseSchedstat, parseStatus } from '../procfs.ts'
import { parseLives, score, type Life, type Score, type Seen } from './score.ts'

export interface Load {
  readonly name: string
  /** The command. `FILE` stands for the file of its records. Undefined: nothing starts. */
  readonly command?: readonly string[]
  /** The program whose name the arguments of each process must begin with. */
  readonly program?: string
  /** The command that keeps processes for the time of the load, until its input ends. It prints a line when they run. */
  readonly crowd?: readonly string[]
  /** The duration if nothing starts. */
  readonly seconds?: number
}

export interface Task {
  readonly observer: readonly string[]
  /** True if its output is a line for each event as JSON, after "ready"; false if it is pspy's. */
  readonly isJson: boolean
  readonly loads: readonly Load[]
}

export interface Row extends Partial<Score> {
  readonly name: string
  readonly processes: number
  readonly seconds: number
  /** Per cent of one CPU: the observer, and its thread that looks for processes. */
  readonly cpu: number
  readonly threadCpu: number
  /** Wake-ups a second of that thread. */
  readonly wakeUps: number
}

export interface Result {
  readonly rows: readonly Row[]
  readonly stats?: object
}

/** The name of the thread of this package that looks for processes. */
const THREAD = 'proc-events-pid'
const PSPY = /CMD: UID=\S* +PID=(\d+) +\| (.*)$/

interface Usage {
  readonly cpu: number
  readonly threadCpu: number
  readonly switches: number
}

/** The usage of a process so far, without its children. */
function usage(pid: number): Usage {
  let [cpu, threadCpu, switches] = [0, 0, 0]
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const read = (file: string): string => readFileSync(`/proc/${pid}/task/${tid}/${file}`, 'latin1')
    const own = parseSchedstat(read('schedstat'))
    cpu += own
    if (read('comm').trim() !== THREAD) continue
    threadCpu += own
    switches += parseStatus(read('status')).switches
  }
  return { cpu, threadCpu, switches }
}

async function runLoad(load: Load, file: string): Promise<Life[]> {
  if (load.command === undefined) {
    await setTimeout(1000 * (load.seconds ?? 1))
    return []
  }
  const [program = '', ...args] = load.command.map((part) => (part === 'FILE' ? file : part))
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`)
  return parseLives(readFileSync(file))
}

async function withCrowd<T>(crowd: readonly string[] | undefined, use: () => Promise<T>): Promise<T> {
  if (crowd === undefined) return use()
  const [program = '', ...args] = crowd
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    await Promise.race([once(createInterface(child.stdout), 'line'), ended])
    return await use()
  } finally {
    child.stdin.end()
    await ended
  }
}

/** Collects the events of an observer from its output. */
class Events {
  readonly seen: Seen[] = []
  stats: object | undefined
  /** Resolves when the observer has started: with the first line, or with that of pspy when it watches all directories. */
  readonly started: Promise<void>

  constructor(child: ChildProcess, isJson: boolean) {
    const lines = createInterface(child.stdout!)
    this.started = new Promise((resolve) => {
      lines.on('line', (line) => {
        if (isJson || line.endsWith('done')) resolve()
      })
    })
    lines.on('line', (line) => (isJson ? this.#onJson(line) : this.#onPspy(line)))
  }

  #onJson(line: string): void {
    if (!line.startsWith('{')) return
    const value = JSON.parse(line) as Seen | object
    if ('type' in value) this.seen.push(value)
    else this.stats = value
  }

  #onPspy(line: string): void {
    const at = Number(process.hrtime.bigint())
    const [, pid, command = ''] = PSPY.exec(line) ?? []
    if (pid !== undefined) this.seen.push({ type: 'exec', pid: Number(pid), at, argv: command.trim().split(' ') })
  }
}

async function measure(task: Task, folder: string): Promise<Result> {
  const [program = '', ...args] = task.observer
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const events = new Events(child, task.isJson)
  await events.started
  const pid = child.pid!
  const measured: { load: Load; lives: Life[]; row: Row }[] = []
  for (const load of task.loads) {
    await withCrowd(load.crowd, async () => {
      // The work for the processes of the load before, and of the crowd, is not measured.
      await setTimeout(load.crowd === undefined ? 700 : 3000)
      const before = usage(pid)
      const began = performance.now()
      const lives = await runLoad(load, join(folder, 'lives'))
      const seconds = (performance.now() - began) / 1000
      const after = usage(pid)
      const percent = (of: 'cpu' | 'threadCpu'): number => (100 * (after[of] - before[of])) / seconds
      const wakeUps = (after.switches - before.switches) / seconds
      const row = { name: load.name, processes: lives.length, seconds, wakeUps }
      measured.push({ load, lives, row: { ...row, cpu: percent('cpu'), threadCpu: percent('threadCpu') } })
    })
  }
  child.kill('SIGTERM')
  await closed
  const rows = measured.map(({ load, lives, row }) => {
    return lives.length === 0 ? row : Object.assign(row, score(lives, events.seen, basename(load.program ?? '')))
  })
  return events.stats === undefined ? { rows } : { rows, stats: events.stats }
}

const folder = mkdtempSync(join(tmpdir(), 'pe-sources-'))
try {
  console.log(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '') as Task, folder)))
} finally {
  rmSync(folder, { recursive: true })
}
