/** `npm run bench -- scale`: many processes, many subscriptions, many worker threads. */
import { rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { buildTools, type Tools } from '../peers.ts'
import { amidProcesses } from './processes.ts'
import { withSubscriptions } from './subscriptions.ts'
import { scaleReport, type Part } from './table.ts'
import { inWorkers } from './workers.ts'

export const parts: Readonly<Record<string, (tools: Tools, quick: boolean) => Promise<Part>>> = {
  processes: amidProcesses,
  subscriptions: withSubscriptions,
  workers: inWorkers,
}

/** The parts with the load average before each. */
export type Scaled = readonly (Part & { readonly loadAverage: number })[]

/** Runs the chosen parts, prints their tables, and returns them. */
export async function scale(wanted: (part: string) => boolean, quick: boolean): Promise<Scaled> {
  const tools = buildTools(() => false)
  const done: Scaled[number][] = []
  try {
    for (const [name, run] of Object.entries(parts).filter(([part]) => wanted(part))) {
      if (process.stderr.isTTY) process.stderr.write(`\r${name}\x1B[K`)
      const [loadAverage = 0] = loadavg()
      const part = await run(tools, quick)
      done.push({ ...part, title: `${part.title} (load average before: ${loadAverage.toFixed(1)})`, loadAverage })
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1B[K')
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
  console.log(scaleReport(done))
  return done
}
