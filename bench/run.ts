/** One run: one observer under one load, and its result. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { Peer, Tools } from './peers.ts'
import { cost, ticks, type Cost } from './procfs.ts'
import { between, coverage, words, type Coverage } from './records.ts'
import { bound, warmUps, type Scenario, type WarmUp } from './scenarios.ts'

/** The result of one run. NaN for values that the observer does not report. */
export interface Run {
  readonly peer: string
  readonly scenario: string
  readonly warmUp: WarmUp
  /** The load average of the machine before the measurement. */
  readonly loadAverage: number
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
  const { mode, how, program = 'end' } = scenario
  const count = isQuick ? scenario.quick : scenario.count
  const args = [mode, tools[program], String(how), String(count), String(bound), pids]
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

/** Resolves when an observer has used no CPU time to speak of for a moment. */
export async function settled(pid: number): Promise<void> {
  for (let before = -1; ;) {
    await setTimeout(200)
    const { cpu } = cost(pid)
    // A poller is never idle.
    if (cpu - before < 0.01) return
    before = cpu
  }
}

/** The measurement of one load. Without an observer there is no cost. */
interface Measured {
  readonly warmUp: WarmUp
  readonly loadAverage: number
  readonly done: Done
  readonly before: Cost | undefined
  readonly after: Cost | undefined
  /** Per cent. */
  readonly steal: number
  /** The range of its processes in the list of all. */
  readonly range: readonly [number, number]
}

/** Runs one observer under one load, after each of the warm-ups. */
export async function run(tools: Tools, peer: Peer, scenario: Scenario, isQuick: boolean): Promise<Run[]> {
  const records = join(tools.folder, 'records')
  rmSync(records, { force: true })
  const child =
    peer.command && (await observe(peer.command(records, scenario.hasClock), peer.isOurs, records, peer.startsIn))
  const pid = child?.pid
  // The processes of all loads, in order.
  const pids: number[] = []
  const start = async (started: Scenario): Promise<Done> => {
    const file = join(tools.folder, 'pids')
    const done = await load(tools, started, isQuick, file)
    pids.push(...words(readFileSync(file)))
    return done
  }
  const measure = async (warmUp: WarmUp): Promise<Measured> => {
    for (const earlier of warmUps[warmUp]) await start(earlier)
    if (pid !== undefined) await settled(pid)
    const begin = pids.length
    const [loadAverage = 0] = loadavg()
    const ticksBefore = ticks()
    const before = pid === undefined ? undefined : cost(pid)
    const loading = start(scenario)
    if (pid !== undefined) await scenario.meanwhile?.(pid)
    const done = await loading
    const ticksAfter = ticks()
    if (pid !== undefined) await settled(pid)
    const after = pid === undefined ? undefined : cost(pid)
    const steal = (100 * (ticksAfter.steal - ticksBefore.steal)) / Math.max(1, ticksAfter.total - ticksBefore.total)
    return { warmUp, loadAverage, done, before, after, steal, range: [begin, pids.length] }
  }
  const measured: Measured[] = scenario.showsFirstSeconds === true ? [await measure('short')] : []
  measured.push(await measure('long'))
  if (child) await end(child, peer, tools.hush)

  const seen = child ? peer.parse(readFileSync(records)) : []
  return measured.map((part) => {
    const [begin, after] = part.range
    const own = coverage(
      Uint32Array.from(pids.slice(begin, after)),
      between(pids.slice(0, begin), seen, pids.slice(after)),
    )
    return result(peer, scenario, part, own)
  })
}

function result(peer: Peer, scenario: Scenario, measured: Measured, seen: Coverage): Run {
  const { warmUp, loadAverage, steal, before, after } = measured
  const { processes, others, seconds } = measured.done
  const events = peer.command ? seen.execs + seen.exits : Number.NaN
  const cpu = (after?.cpu ?? Number.NaN) - (before?.cpu ?? 0)
  return {
    peer: peer.name,
    scenario: scenario.name,
    warmUp,
    loadAverage,
    made: processes,
    ...seen,
    complete: (100 * events) / (2 * processes),
    cpu,
    cpuPerEvent: events === 0 ? Number.NaN : (1e6 * cpu) / events,
    wakeUpsPerEvent: ((after?.switches ?? Number.NaN) - (before?.switches ?? 0)) / (events || Number.NaN),
    resident: after?.resident ?? Number.NaN,
    rate: (others || processes) / seconds,
    steal,
  }
}
