/** `npm run bench -- idle`: additional memory over Node.js alone, and wake-ups while idle. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { amid } from './crowd.ts'
import { buildTools, type Tools } from './peers.ts'
import { cost, type Cost } from './procfs.ts'
import { align, figure } from './report.ts'
import { end, observe } from './run.ts'

/** The cost of an idle process: memory in MB, and wake-ups per second. */
interface Idle extends Pick<Cost, 'resident' | 'anonymous'> {
  readonly wakeUps: number
  /** Events of other processes per second, because no machine is completely idle. */
  readonly events: number
}

async function measure(tools: Tools, what: string, seconds: number): Promise<Idle> {
  const command = [process.execPath, join(import.meta.dirname, 'peers', 'idle.mjs'), what]
  const child = await observe(command, true, join(tools.folder, 'idle'))
  await setTimeout(1000)
  let text = ''
  child.stdout?.on('data', (part: Buffer) => (text += part.toString()))
  // The child prints the number of events so far.
  child.kill('SIGUSR2')
  await setTimeout(50)
  const before = cost(child.pid ?? 0)
  await setTimeout(1000 * seconds)
  const { switches, resident, anonymous } = cost(child.pid ?? 0)
  child.kill('SIGUSR2')
  await setTimeout(50)
  await end(child, { isOurs: true }, tools.hush)
  const [first = 0, last = 0] = text.trim().split('\n').map(Number)
  return { resident, anonymous, wakeUps: (switches - before.switches) / seconds, events: (last - first) / seconds }
}

export async function idle(quick: boolean): Promise<void> {
  const tools = buildTools(() => false)
  const seconds = quick ? 2 : 21
  const crowd = quick ? 500 : 10_000
  try {
    const alone = await measure(tools, 'none', seconds)
    // The first garbage collection loads code of Node.js that stays resident. Every active program has it, too.
    const used = await measure(tools, 'used', 2)
    const own = await measure(tools, 'plain', seconds)
    const crowded = await amid(tools, crowd, () => measure(tools, 'names', 2))
    const row = (name: string, { resident, anonymous, wakeUps, events }: Idle): string[] => {
      const more = [resident - alone.resident, anonymous - alone.anonymous]
      return [name, ...[resident, ...more, wakeUps, events].map(figure)]
    }
    // Anonymous memory belongs to this package. The rest is mostly code of Node.js that the package is first to use.
    const head = ['', 'MB', 'more than Node.js', 'but for files', 'wake-ups/s', 'events/s']
    const rows = [
      row('Node.js alone', alone),
      row('Node.js alone, some garbage collected', used),
      row('proc-events', own),
      row(`proc-events, ${crowd} processes named`, crowded),
    ]
    console.log(align([head, ...rows]))
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
}
