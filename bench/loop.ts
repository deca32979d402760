/** The delay of the event loop during a storm of processes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tools } from './peers.ts'
import { align, figure } from './report.ts'
import { end, load, observe } from './run.ts'
import type { Scenario } from './scenarios.ts'

/** The delay of timers, in milliseconds. */
interface Delay {
  readonly p50: number
  readonly p99: number
  readonly most: number
}

const programs = { none: 'Node.js alone', plain: 'proc-events', slow: 'proc-events, callbacks of 50 µs' } as const

async function measure(tools: Tools, what: string, scenario: Scenario, isQuick: boolean): Promise<Delay> {
  const file = join(tools.folder, 'delay')
  const command = [process.execPath, join(import.meta.dirname, 'peers', 'loop.mjs'), file, what]
  const child = await observe(command, true, join(tools.folder, 'output'))
  child.kill('SIGUSR2')
  await load(tools, scenario, isQuick, join(tools.folder, 'pids'))
  await end(child, { isOurs: true }, tools.hush)
  return JSON.parse(readFileSync(file, 'utf8')) as Delay
}

/** Returns a table of the delays under one load. */
export async function loop(tools: Tools, scenario: Scenario, isQuick: boolean): Promise<string> {
  const rows = [['event loop', 'late p50 ms', 'p99 ms', 'most ms']]
  for (const [what, name] of Object.entries(programs)) {
    const { p50, p99, most } = await measure(tools, what, scenario, isQuick)
    rows.push([name, figure(p50), figure(p99), figure(most)])
  }
  return `${scenario.title}\n${align(rows)}\n`
}
