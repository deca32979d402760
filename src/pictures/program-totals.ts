/** Sums over the processes of each program. */
import { hasFailed, labelOf, programOf } from './names.js'
import { type ProcessNode, nodesOf } from './process-tree.js'
import type { Timeline } from './timeline.js'

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

/**
 * Returns the totals of all listed processes, drawn or not, the longest total lifetime first. A process counts for its last
 * program.
 */
export function programTotals({ tree, endNs }: Timeline): readonly ProgramTotal[] {
  const totals = new Map<string, ProgramTotal>()
  for (const node of nodesOf(tree)) {
    const name = programNameOf(node)
    let total = totals.get(name)
    if (total === undefined) {
      total = { name, processes: 0, failed: 0, lifeNs: 0, longestNs: 0, cpuNs: null, maxRssBytes: null }
      totals.set(name, total)
    }
    const usage = node.end?.usage ?? null
    total.processes++
    if (hasFailed(node)) total.failed++
    const lifeNs = Math.max(0, (node.end?.ns ?? endNs) - node.beganNs)
    total.lifeNs += lifeNs
    total.longestNs = Math.max(total.longestNs, lifeNs)
    if (usage === null) continue
    total.cpuNs = (total.cpuNs ?? 0) + usage.cpuNs
    if (usage.maxRssBytes !== null) total.maxRssBytes = Math.max(total.maxRssBytes ?? 0, usage.maxRssBytes)
  }
  return [...totals.values()].sort((a, b) => b.lifeNs - a.lifeNs)
}

/** Returns the last program of a process; `(fork of PARENT)` without any. */
export function programNameOf(node: ProcessNode): string {
  const last = node.execs.at(-1)
  return last === undefined ? labelOf(node) : programOf(last)
}
