/** Sums over the processes of each program. */
import { hasFailed, labelOf, programOf } from './names.js'
import type { Bar } from './timeline.js'

export interface ProgramTotal {
  readonly name: string
  processes: number
  failed: number
  lifeNs: number
  longestNs: number
  /** null: no CPU time is known. */
  cpuNs: number | null
  /** The peak of one process. */
  maxRssBytes: number | null
}

/** Returns the totals, the longest total lifetime first. A process counts for its last program. */
export function programTotals(bars: readonly Bar[]): readonly ProgramTotal[] {
  const totals = new Map<string, ProgramTotal>()
  for (const { node, startNs, endNs } of bars) {
    const name = programNameOf(node)
    let total = totals.get(name)
    if (total === undefined) {
      total = { name, processes: 0, failed: 0, lifeNs: 0, longestNs: 0, cpuNs: null, maxRssBytes: null }
      totals.set(name, total)
    }
    const usage = node.end?.usage ?? null
    total.processes++
    if (hasFailed(node)) total.failed++
    total.lifeNs += endNs - startNs
    total.longestNs = Math.max(total.longestNs, endNs - startNs)
    if (usage === null) continue
    total.cpuNs = (total.cpuNs ?? 0) + usage.cpuNs
    if (usage.maxRssBytes !== null) total.maxRssBytes = Math.max(total.maxRssBytes ?? 0, usage.maxRssBytes)
  }
  return [...totals.values()].sort((a, b) => b.lifeNs - a.lifeNs)
}

/** Returns the last program of a process; `(fork of PARENT)` without any. */
export function programNameOf(node: Bar['node']): string {
  const last = node.execs.at(-1)
  return last === undefined ? labelOf(node) : programOf(last)
}
