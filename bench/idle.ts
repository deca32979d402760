/** `npm run bench -- idle`: memory over Node's own, and wake-ups while nothing happens. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { buildTools, type Tools } from './peers.ts'
import { cost, type Cost } from './procfs.ts'
import { align, figure } from './report.ts'
import { end, observe } from './run.ts'

/** What an idle process costs: MB, and wake-ups a second. */
interface Idle extends Pick<Cost, 'resident' | 'anonymous'> {
  readonly wakeUps: number
  /** Of other processes: nothing ever happens only on a machine without anybody. */
  readonly events: number
}

async function measure(tools: Tools, what: string, seconds: number): Promise<Idle> {
  const command = [process.execPath, join(import.meta.dirname, 'peers', 'idle.mjs'), what]
  const child = await observe(command, true, join(tools.folder, 'idle'))
  await setTimeout(1000)
  let text = ''
  child.stdout?.on('data', (part: Buffer) => (text += part.toString()))
  // Has it say how many events there were so far.
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

/** Runs with that many processes that do nothing. */
async function amid<T>(tools: Tools, count: number, use: () => Promise<T>): Promise<T> {
  const args = ['crowd', tools.stay, String(count), '60', join(tools.folder, 'pids')]
  const child = spawn(tools.load, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    await once(createInterface(child.stdout), 'line')
    return await use()
  } finally {
    child.stdin.end()
    await ended
  }
}

export async function idle(quick: boolean): Promise<void> {
  const tools = buildTools(() => false)
  const seconds = quick ? 2 : 21
  const crowd = quick ? 500 : 10_000
  try {
    const alone = await measure(tools, 'none', seconds)
    // The first collection alone has code of Node.js read in that is never let go of: who does anything has that, too.
    const used = await measure(tools, 'used', 2)
    const own = await measure(tools, 'plain', seconds)
    const crowded = await amid(tools, crowd, () => measure(tools, 'names', 2))
    const row = (name: string, { resident, anonymous, wakeUps, events }: Idle): string[] => {
      const more = [resident - alone.resident, anonymous - alone.anonymous]
      return [name, ...[resident, ...more, wakeUps, events].map(figure)]
    }
    // What no file backs is this package's own; of the rest, most is code of Node.js that is first needed for it.
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
