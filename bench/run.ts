/** One run: one observer under one load, and its result. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { Peer, Tools } from './peers.ts'
import { cost, ticks } from './procfs.ts'
import { coverage, without, words } from './records.ts'
import { bound, warmUps, type Scenario } from './scenarios.ts'

/** The result of one run. NaN for values that the observer does not report. */
export interface Run {
  readonly peer: string
  readonly scenario: string
  /** The number of processes of the load, and of their events that the observer saw. */
  readonly made: number
  readonly execs: number
  readonly exits: number
  /** Seen events, in per cent of all events of the load. */
  readonly complete: number
  /** CPU time in seconds, and in microseconds per seen event of the load. */
  readonly cpu: number
  readonly cpuPerEvent: number
  readonly wakeUpsPerEvent: number
  /** Resident memory at the end, in MB. */
  readonly resident: number
  /** Processes of the load per second, or threads and the like. */
  readonly rate: number
  /** Steal time: per cent of the CPU time that the host gave to other machines. */
  readonly steal: number
  /** Latency from the kernel to the observer, in microseconds. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

interface Done {
  readonly processes: number
  readonly others: number
  readonly seconds: number
}

/** Runs the load. Resolves with its result. */
export async function load(tools: Tools, scenario: Scenario, isQuick: boolean, pids: string): Promise<Done> {
  const { mode, how } = scenario
  const count = isQuick ? scenario.quick : scenario.count
  const args = [mode, tools.end, String(how), String(count), String(bound), pids]
  const child = spawn(tools.load, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let text = ''
  child.stdout.on('data', (part: Buffer) => (text += part.toString()))
  const [code] = await ended
  if (code !== 0) throw new Error(`the load ended with ${String(code)}`)
  return JSON.parse(text) as Done
}

/** Starts an observer. Resolves when it listens. */
export async function observe(
  command: readonly string[],
  isOurs: boolean,
  output: string,
  startsIn = 700,
): Promise<ChildProcess> {
  const [program = '', ...args] = command
  const file = openSync(output, 'w')
  const child = spawn(program, args, { stdio: ['ignore', isOurs ? 'pipe' : file, isOurs ? 'inherit' : 'ignore'] })
  closeSync(file)
  const failed = once(child, 'exit').then(
    ([code, signal]) => `${command.join(' ')} ended with ${String(code ?? signal)}`,
  )
  const ready = isOurs && child.stdout ? once(createInterface(child.stdout), 'line') : setTimeout(startsIn)
  const problem = await Promise.race([failed, ready])
  if (typeof problem === 'string') throw new Error(problem)
  // Its start is not measured.
  await setTimeout(300)
  return child
}

/** Ends an observer, and removes its listener from the kernel's count. */
export async function end(
  child: ChildProcess,
  { isOurs, leavesListenerRegistered = false }: Pick<Peer, 'isOurs' | 'leavesListenerRegistered'>,
  hush: string,
): Promise<void> {
  const ended = once(child, 'exit')
  if (leavesListenerRegistered) spawnSync(hush, [String(child.pid)], { stdio: 'inherit' })
  child.kill(isOurs ? 'SIGTERM' : 'SIGINT')
  const timer = setTimeout(5000, 'late', { ref: false })
  if ((await Promise.race([ended, timer])) === 'late') {
    child.kill('SIGKILL')
    await ended
  }
}

async function settled(pid: number): Promise<void> {
  for (let before = -1; ;) {
    await setTimeout(200)
    const { cpu } = cost(pid)
    // A poller is never idle.
    if (cpu - before < 0.01) return
    before = cpu
  }
}

export async function run(tools: Tools, peer: Peer, scenario: Scenario, isQuick: boolean): Promise<Run> {
  const records = join(tools.folder, 'records')
  const pids = join(tools.folder, 'pids')
  rmSync(records, { force: true })
  const child =
    peer.command && (await observe(peer.command(records, scenario.hasClock), peer.isOurs, records, peer.startsIn))
  const pid = child?.pid
  // The run measures a warm observer, with compiled code and grown tables.
  const earlier: number[] = []
  for (const warmUp of warmUps) {
    await load(tools, warmUp, isQuick, pids)
    earlier.push(...words(readFileSync(pids)))
  }
  if (pid !== undefined) await settled(pid)
  const ticksBefore = ticks()
  const before = pid === undefined ? undefined : cost(pid)
  const loading = load(tools, scenario, isQuick, pids)
  if (pid !== undefined) await scenario.meanwhile?.(pid)
  const { processes, others, seconds } = await loading
  const ticksAfter = ticks()
  if (pid !== undefined) await settled(pid)
  const after = pid === undefined ? undefined : cost(pid)
  if (child) await end(child, peer, tools.hush)

  const made = words(readFileSync(pids))
  const seen = coverage(made, child ? without(earlier, peer.parse(readFileSync(records))) : [])
  const events = child ? seen.execs + seen.exits : Number.NaN
  const cpu = (after?.cpu ?? Number.NaN) - (before?.cpu ?? 0)
  return {
    peer: peer.name,
    scenario: scenario.name,
    made: processes,
    ...seen,
    complete: (100 * events) / (2 * processes),
    cpu,
    cpuPerEvent: events === 0 ? Number.NaN : (1e6 * cpu) / events,
    wakeUpsPerEvent: ((after?.switches ?? Number.NaN) - (before?.switches ?? 0)) / (events || Number.NaN),
    resident: after?.resident ?? Number.NaN,
    rate: (others || processes) / seconds,
    steal: (100 * (ticksAfter.steal - ticksBefore.steal)) / Math.max(1, ticksAfter.total - ticksBefore.total),
  }
}
