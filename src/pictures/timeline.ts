/** The processes that a picture shows, as bars on a common time axis. */
import { type ProcessNode, type ProcessTree, addWithAncestors, lifeOf, longLived, nodesOf } from './process-tree.js'
import { isFailed } from '../recording/words.js'

/** The outcome of the command, as its parent knows it. */
export interface CommandOutcome {
  /** Empty for a recording. */
  readonly command: readonly string[]
  readonly exitCode: number | null
  readonly signal: string | null
  /** Events that were lost. */
  readonly lost: number
}

export interface Bar {
  readonly node: ProcessNode
  readonly startNs: number
  /** For a process that still runs, the end of the timeline. */
  readonly endNs: number
  readonly parent: Bar | null
  readonly children: Bar[]
}

export interface Timeline {
  readonly tree: ProcessTree
  readonly outcome: CommandOutcome
  readonly startNs: number
  readonly endNs: number
  /** In the order of their starts. Of bars that start together, the longest is first, and a parent comes before its child. */
  readonly bars: readonly Bar[]
  /** Processes that have no bar, unlisted ones included. */
  readonly hidden: number
  /** True: the cost of at least one process is known. */
  readonly hasUsage: boolean
}

export interface TimelineOptions {
  /** The shortest lifetime that is shown. Longer-lived processes keep their ancestors. */
  readonly minDurationNs?: number
  /** Bars, ancestors of others not counted. */
  readonly most?: number
}

/** More bars than this make a picture slow to open. */
const BARS_MAX = 20_000

export function timelineOf(
  tree: ProcessTree,
  outcome: CommandOutcome,
  { minDurationNs = 0, most = BARS_MAX }: TimelineOptions = {},
): Timeline {
  const nodes = selected(tree, minDurationNs, most)
  const startNs = Number.isFinite(tree.startNs) ? tree.startNs : 0
  const hasRunning = nodes.some(({ end }) => end === null)
  const endNs = nodes.reduce((last, node) => Math.max(last, latestOf(node)), hasRunning ? tree.endNs : startNs)
  const bars = new Map<ProcessNode, Bar>()
  // Parents come before their children.
  for (const node of nodes) {
    const parent = node.parent === null ? null : (bars.get(node.parent) ?? null)
    // The clocks of a snapshot and of the kernel may differ a little.
    const barStartNs = Math.max(node.beganNs, parent?.startNs ?? 0)
    const barEndNs = Math.max(barStartNs, node.end === null ? endNs : latestOf(node))
    const bar: Bar = { node, startNs: barStartNs, endNs: barEndNs, parent, children: [] }
    parent?.children.push(bar)
    bars.set(node, bar)
  }
  // The sort is stable.
  const ordered = [...bars.values()].sort((a, b) => a.startNs - b.startNs || b.endNs - a.endNs)
  return {
    tree,
    outcome,
    startNs,
    endNs,
    bars: ordered,
    hidden: tree.processes - ordered.length,
    hasUsage: nodes.some(({ end }) => (end?.usage ?? null) !== null),
  }
}

/** Returns the failed and the longest-lived processes with their ancestors, parents before their children. */
function selected(tree: ProcessTree, minDurationNs: number, most: number): readonly ProcessNode[] {
  const long = longLived(tree, minDurationNs)
  const nodes = [...nodesOf(tree)].filter((node) => long === null || long.has(node))
  if (nodes.length <= most) return nodes
  const byLife = nodes.toSorted(compareLives)
  const kept = new Set<ProcessNode>()
  const keep = (some: readonly ProcessNode[], limit: number): void => {
    for (const node of some) {
      if (kept.size >= limit) return
      addWithAncestors(kept, node)
    }
  }
  // Thousands of failures do not displace what took the time.
  keep(
    byLife.filter(({ end }) => end !== null && isFailed(end)),
    most / 2,
  )
  keep(byLife, most)
  return nodes.filter((node) => kept.has(node))
}

function compareLives(a: ProcessNode, b: ProcessNode): number {
  const [one, other] = [lifeOf(a), lifeOf(b)]
  return one === other ? 0 : one < other ? 1 : -1
}

/** Returns the last known time of a process. */
function latestOf({ beganNs, execs, end }: ProcessNode): number {
  return Math.max(beganNs, execs.at(-1)?.timestampNs ?? 0, end?.ns ?? 0)
}
