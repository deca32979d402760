/** A crowd: many idle processes that run during a measurement. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Tools } from './peers.ts'

/** The time after which a crowd ends in any case, in seconds. */
const CROWD_SECONDS = 240

/**
 * Runs `use` beside up to `count` idle processes. It receives their number, and a file of their pids. They end with the load,
 * and the load ends with this process.
 */
export async function amid<T>(
  tools: Tools,
  count: number,
  use: (processes: number, pids: string) => Promise<T>,
): Promise<T> {
  const pids = join(tools.folder, 'crowd')
  const args = ['crowd', tools.stay, String(count), String(CROWD_SECONDS), pids]
  const child = spawn(tools.load, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as unknown[]
    if (typeof line !== 'string') throw new Error(`the crowd ended with ${String(line)}`)
    const { processes } = JSON.parse(line) as { processes: number }
    return await use(processes, pids)
  } finally {
    child.stdin.end()
    await ended
  }
}
