/** `npm run bench -- spans`: where the CPU time of an event goes, from system call to system call, by perf's trace. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { buildTools, isInstalled, peers, type Peer, type Tools } from './peers.ts'
import { cost } from './procfs.ts'
import { align, figure } from './report.ts'
import { end, load, observe, settled } from './run.ts'
import { scenarios, warmUps, type Scenario } from './scenarios.ts'

/** The threads of an observer by their work. */
type Role = 'reader' | 'JavaScript' | 'others'

/** A span of a thread: within a system call, or in user mode from the end of one to the next. */
export interface Span {
  readonly thread: number
  readonly name: string
  /** CPU time in microseconds, and the number of times. */
  readonly cpu: number
  readonly times: number
}

/** The system calls of an observer by their number, for x86_64 and arm64. Others keep their number. */
const calls: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  x64: {
    0: 'read',
    1: 'write',
    3: 'close',
    45: 'recvfrom',
    47: 'recvmsg',
    62: 'kill',
    202: 'futex',
    232: 'epoll_wait',
    271: 'ppoll',
    281: 'epoll_pwait',
    299: 'recvmmsg',
    434: 'pidfd_open',
  },
  arm64: {
    22: 'epoll_pwait',
    57: 'close',
    63: 'read',
    64: 'write',
    73: 'ppoll',
    98: 'futex',
    129: 'kill',
    207: 'recvfrom',
    212: 'recvmsg',
    243: 'recvmmsg',
    434: 'pidfd_open',
  },
}

const line = /^\s*(\d+)\s+(\d+)\.(\d+):\s+(.*)$/
const call = /raw_syscalls:sys_(enter|exit): NR (\d+)/

/** Adds up the spans of a trace, as `perf script -F tid,time,event,trace --show-switch-events --ns` prints it. */
export function spansOf(trace: string, arch: string = process.arch): Span[] {
  const sums = new Map<string, { thread: number; name: string; cpu: number; times: number }>()
  /** The span of each thread, and its begin on a CPU. */
  const threads = new Map<number, { name: string; since: number | undefined }>()
  const add = (thread: number, name: string, cpu: number, times: number): void => {
    const key = `${thread} ${name}`
    const sum = sums.get(key) ?? { thread, name, cpu: 0, times: 0 }
    sums.set(key, { ...sum, cpu: sum.cpu + cpu, times: sum.times + times })
  }
  for (const text of trace.split('\n')) {
    const [, tid, seconds, nanoseconds, what = ''] = line.exec(text) ?? []
    if (tid === undefined) continue
    const [thread, now] = [Number(tid), 1e6 * Number(seconds) + Number(nanoseconds) / 1e3]
    const state = threads.get(thread) ?? { name: 'before the trace', since: undefined }
    threads.set(thread, state)
    const charge = (): void => {
      if (state.since !== undefined) add(thread, state.name, now - state.since, 0)
      state.since = now
    }
    const [, side, number] = call.exec(what) ?? []
    if (side !== undefined) {
      charge()
      const name = calls[arch]?.[Number(number)] ?? `system call ${number}`
      state.name = side === 'enter' ? name : `after ${name}`
      add(thread, state.name, 0, 1)
    } else if (what.includes('PERF_RECORD_SWITCH')) {
      if (what.includes(' OUT')) {
        charge()
        state.since = undefined
      } else {
        state.since = now
      }
    }
  }
  return [...sums.values()]
}

/** The reader is the thread that reads the socket. */
function roles(all: readonly Span[], pid: number): (thread: number) => Role {
  const readers = new Set(all.filter(({ name }) => name.startsWith('recv')).map(({ thread }) => thread))
  return (thread) => (thread === pid ? 'JavaScript' : readers.has(thread) ? 'reader' : 'others')
}

type Sums = ReadonlyMap<string, Pick<Span, 'cpu' | 'times'>>

/** The cost of an event. */
interface Measured {
  /** CPU time in microseconds, and the number of times, by thread and span. */
  readonly sums: Sums
  /** CPU time in microseconds without the trace. */
  readonly untraced: number
}

/** Adds up sums by their names, and divides them. */
function addUp(all: Iterable<readonly [string, Pick<Span, 'cpu' | 'times'>]>, by: number): Sums {
  const sums = new Map<string, Pick<Span, 'cpu' | 'times'>>()
  for (const [name, { cpu, times }] of all) {
    const sum = sums.get(name) ?? { cpu: 0, times: 0 }
    sums.set(name, { cpu: sum.cpu + cpu / by, times: sum.times + times / by })
  }
  return sums
}

/** Records a trace of an observer during `work`, which resolves with a number of events. Returns the spans per event. */
async function traced(pid: number, file: string, work: () => Promise<number>): Promise<Sums> {
  const tracepoints = 'raw_syscalls:sys_enter,raw_syscalls:sys_exit'
  const args = ['record', '-q', '-p', String(pid), '-e', tracepoints, '--switch-events', '-o', file]
  const recorder = spawn('perf', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const recorded = once(recorder, 'exit')
  // perf does not tell when it records.
  await setTimeout(1000)
  const events = await work()
  recorder.kill('SIGINT')
  await recorded
  const script = ['script', '-i', file, '-F', 'tid,time,event,trace', '--show-switch-events', '--ns']
  const { stdout } = spawnSync('perf', script, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  const all = spansOf(stdout)
  const roleOf = roles(all, pid)
  const named = all.map((span) => {
    const role = roleOf(span.thread)
    return [role === 'others' ? role : `${role}: ${span.name}`, span] as const
  })
  return addUp(named, events)
}

async function measure(tools: Tools, peer: Peer, scenario: Scenario, isQuick: boolean): Promise<Measured> {
  const [records, pids] = [join(tools.folder, 'records'), join(tools.folder, 'pids')]
  rmSync(records, { force: true })
  const child = await observe(peer.command!(records, true), peer.isOurs, records)
  const pid = child.pid!
  /** Returns the number of events. */
  const run = async (): Promise<number> => {
    const { processes } = await load(tools, scenario, isQuick, pids)
    await settled(pid)
    return 2 * processes
  }
  try {
    for (const earlier of warmUps.long) await load(tools, earlier, isQuick, pids)
    await settled(pid)
    const before = cost(pid).cpu
    const events = await run()
    const untraced = (1e6 * (cost(pid).cpu - before)) / events
    return { sums: await traced(pid, join(tools.folder, 'trace'), run), untraced }
  } finally {
    await end(child, peer, tools.hush)
  }
}

/** The mean of several runs. */
function mean(runs: readonly Measured[]): Measured {
  const sums = addUp(
    runs.flatMap((run) => [...run.sums]),
    runs.length,
  )
  return { sums, untraced: runs.reduce((sum, { untraced }) => sum + untraced, 0) / runs.length }
}

/** A row for each span, and one for their sum. */
function rowsOf(means: readonly Measured[]): string[][] {
  const names = [...new Set(means.flatMap(({ sums }) => [...sums.keys()]))].toSorted()
  const rows: string[][] = []
  for (const name of names) {
    const of = means.map(({ sums }) => sums.get(name) ?? { cpu: 0, times: 0 })
    if (of.some(({ cpu }) => cpu >= LEAST)) {
      rows.push([name, ...of.flatMap(({ cpu, times }) => [figure(cpu), times.toFixed(2)])])
    }
  }
  const total = ({ sums }: Measured): number => [...sums.values()].reduce((sum, { cpu }) => sum + cpu, 0)
  rows.push(['sum', ...means.flatMap((of) => [figure(total(of)), ''])])
  rows.push(['sum without the trace', ...means.flatMap(({ untraced }) => [figure(untraced), ''])])
  return rows
}

/** Spans that take less are not printed, in microseconds per event. */
const LEAST = 0.05

export async function spans(chosen: (scenario: string) => boolean, isQuick: boolean, repeats: number): Promise<void> {
  if (!isInstalled('perf')) throw new Error('perf is not installed. Its package is linux-perf, or linux-tools.')
  const tools = buildTools(() => false)
  try {
    const compared = peers(tools).filter(({ name }) => ['proc-events', 'Node, bare addon'].includes(name))
    const loads = scenarios.filter(({ name }) => ['paced', 'lives', 'single'].includes(name) && chosen(name))
    for (const scenario of loads) {
      const runs: Measured[][] = compared.map(() => [])
      for (let repeat = 0; repeat < repeats; repeat++) {
        for (const [at, peer] of compared.entries()) runs[at]?.push(await measure(tools, peer, scenario, isQuick))
      }
      const head = ['µs per event', ...compared.flatMap(({ name }) => [name, 'times'])]
      const table = [head, ...rowsOf(runs.map((of) => mean(of)))]
      console.log(`${scenario.title}\n${align(table)}\n`)
    }
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
}
