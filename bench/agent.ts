/** `npm run bench -- agent`: the CPU time of the command as an agent, which writes a line for each event to a file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { buildTools, type Tools } from './peers.ts'
import { cost, threadCpu } from './procfs.ts'
import { align, figure } from './report.ts'
import { load } from './run.ts'
import type { Scenario } from './scenarios.ts'

const main = join(import.meta.dirname, '..', 'dist', 'src', 'cli', 'main.js')

/** Processes per second. */
const RATE = 5000

const paced: Scenario = {
  name: 'agent',
  title: `${RATE} processes per second`,
  mode: 'paced',
  how: RATE,
  count: 15_000,
  quick: 2000,
  hasClock: false,
}

/** The options of each agent. `--capture` chooses what an event costs most. */
const agents: readonly (readonly string[])[] = [
  ['--events', 'exec,exit', '--redact'],
  ['--events', 'exit', '--redact'],
  ...[
    'name,argv,uid,startTime',
    'name,argv',
    'cgroup',
    'startTime',
    'argv',
    'loginUid',
    'exe',
    'name',
    'cwd',
    'uid',
    'usage',
  ].map((fields) => ['--events', 'exit', '--redact', '--capture', fields]),
  ['--events', 'exit', '--failed', '--redact'],
  ['--events', 'exit', '--redact', '--sample', '1/10'],
]

interface Measured {
  readonly events: number
  /** Microseconds per event: of all threads, and of JavaScript's. */
  readonly all: number
  readonly own: number
  /** Microseconds of all threads per process of the load. */
  readonly process: number
  readonly rate: number
  readonly bytes: number
  readonly resident: number
}

/** Returns the events and the lines in a file of the agent, from a size on. */
function linesOf(file: string, from: number): { events: number; lines: number } {
  const objects = readFileSync(file).subarray(from).toString().split('\n').slice(0, -1)
  return { events: objects.filter((line) => /^\{"type":"e(xec|xit)"/.test(line)).length, lines: objects.length }
}

/** Milliseconds to wait at most until the agent is idle. Other processes of the machine give it work, too. */
const SETTLED_MS = 3000

/** Resolves when the agent has used no CPU time to speak of for some time. */
async function settled(pid: number): Promise<void> {
  const began = performance.now()
  for (let before = -1; performance.now() - began < SETTLED_MS;) {
    await setTimeout(300)
    const { cpu } = cost(pid)
    if (cpu - before < 0.01) return
    before = cpu
  }
}

/** Measures one agent under several loads, one after the other. */
async function measure(
  tools: Tools,
  options: readonly string[],
  isQuick: boolean,
  repeats: number,
): Promise<Measured[]> {
  const [file, pids] = [join(tools.folder, 'agent.ndjson'), join(tools.folder, 'pids')]
  rmSync(file, { force: true })
  const stdio = ['ignore', 'inherit', 'ignore'] as const
  const child = spawn(process.execPath, [main, '--output', file, ...options], { stdio: [...stdio] })
  const ended = once(child, 'exit')
  try {
    const pid = child.pid ?? 0
    for (let waits = 0; !existsSync(file) || statSync(file).size === 0; waits++) {
      if (waits > 200 || child.exitCode !== null) throw new Error('the agent did not start')
      await setTimeout(50)
    }
    // V8's compilers still work in the first seconds.
    await load(tools, paced, isQuick, pids)
    const runs: Measured[] = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      await settled(pid)
      const [from, before, ownBefore] = [statSync(file).size, cost(pid), threadCpu(pid, pid)]
      const { processes, seconds } = await load(tools, paced, isQuick, pids)
      await settled(pid)
      const [after, ownAfter] = [cost(pid), threadCpu(pid, pid)]
      const { events, lines } = linesOf(file, from)
      // An agent that leaves lines out has the work of all events.
      const handled = options.includes('--sample') || options.includes('--failed') ? processes : events
      const each = (cpu: number): number => (1e6 * cpu) / handled
      runs.push({
        events: handled,
        all: each(after.cpu - before.cpu),
        own: each(ownAfter - ownBefore),
        process: (1e6 * (after.cpu - before.cpu)) / processes,
        rate: processes / seconds,
        bytes: (statSync(file).size - from) / Math.max(lines, 1),
        resident: after.resident,
      })
    }
    return runs
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

export async function agent(isQuick: boolean, repeats: number): Promise<void> {
  const tools = buildTools(() => false)
  try {
    const rows = [['agent', 'µs per event', 'JavaScript', 'native', 'per process', 'bytes a line', 'made/s', 'MB']]
    for (const options of agents) {
      const runs = await measure(tools, options, isQuick, isQuick ? 1 : repeats)
      // The one in the middle.
      const { all, own, process, bytes, rate, resident } = runs.toSorted((a, b) => a.all - b.all)[runs.length >> 1]!
      rows.push([options.join(' '), ...[all, own, all - own, process, bytes, rate, resident].map(figure)])
    }
    console.log(`${paced.title}, to a file\n${align(rows)}`)
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
}
