/** `npm run bench -- slowdown`: how much the capture of details and costs slows down the programs that are watched. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildTools, isInstalled, peers, type Peer, type Tools } from './peers.ts'
import { cost } from './procfs.ts'
import { align, figure } from './report.ts'
import { end, load, observe } from './run.ts'
import type { Scenario } from './scenarios.ts'

/** Two spawners at full speed, of programs of three instructions. */
const storm: Scenario = {
  name: 'slowdown',
  title: 'two spawners at full speed',
  mode: 'storm',
  how: 2,
  count: 8000,
  quick: 1000,
  hasClock: false,
}

const FIELDS = ['name', 'exe', 'argv', 'cwd', 'uid', 'cgroup']

/** The best of several runs. */
interface Best {
  /** The duration of the load. */
  seconds: number
  /** CPU time of the observer per process, in microseconds. */
  cpu: number
}

function observers(tools: Tools): Peer[] {
  const file = join(import.meta.dirname, 'peers', 'slowdown.mjs')
  const ours = (name: string, fields: readonly string[], ...rest: string[]): Peer => ({
    name,
    command: () => [process.execPath, file, fields.join(','), ...rest],
    isOurs: true,
    parse: () => [],
  })
  const others = new Set(['no observer', 'C, filter', 'forkstat', 'bpftrace'])
  const extrace = { name: 'extrace', command: () => ['extrace'], isOurs: false, leavesListenerRegistered: true }
  return [
    ...peers(tools).filter(({ name }) => others.has(name)),
    ...(isInstalled('extrace') ? [{ ...extrace, parse: () => [] }] : []),
    ours('no details', []),
    ...FIELDS.map((field) => ours(field, [field])),
    ours(`all six`, FIELDS),
    ours('all six, maxLatency 100', FIELDS, '100'),
    ours('exits, too', ['exits']),
    ours('exits with usage', ['exits', 'usage']),
    ours('exits with usage, maxLatency 100', ['exits', 'usage'], '100'),
  ]
}

async function measure(tools: Tools, peer: Peer, isQuick: boolean): Promise<Best> {
  const output = join(tools.folder, 'lines')
  const child = peer.command && (await observe(peer.command(output, false), peer.isOurs, output, peer.startsIn))
  const before = child === undefined ? 0 : cost(child.pid!).cpu
  const { seconds, processes } = await load(tools, storm, isQuick, join(tools.folder, 'pids'))
  const cpu = child === undefined ? Number.NaN : cost(child.pid!).cpu - before
  if (child !== undefined) await end(child, peer, tools.hush)
  return { seconds, cpu: (1e6 * cpu) / processes }
}

export async function slowdown(wanted: (peer: string) => boolean, isQuick: boolean, repeats: number): Promise<void> {
  const tools = buildTools(() => false)
  const best = new Map<string, Best>()
  try {
    const chosen = observers(tools).filter(({ name }) => name === 'no observer' || wanted(name))
    // Alternate observers, so that other load on the machine affects all of them.
    for (let repeat = 0; repeat < (isQuick ? 1 : repeats); repeat++) {
      for (const peer of chosen) {
        const run = await measure(tools, peer, isQuick)
        const known = best.get(peer.name)
        best.set(peer.name, {
          seconds: Math.min(run.seconds, known?.seconds ?? Infinity),
          cpu: Number.isNaN(run.cpu) ? run.cpu : Math.min(run.cpu, known?.cpu ?? Infinity),
        })
      }
    }
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
  const alone = best.get('no observer')!.seconds
  const rows = [...best].map(([name, { seconds, cpu }]) => {
    return [name, figure(seconds), `${figure(seconds / alone)} x`, Number.isNaN(cpu) ? '–' : figure(cpu)]
  })
  console.log(align([['observer', 'load s', 'slower', 'CPU µs/process'], ...rows]))
}
