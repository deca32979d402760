/** The report of `run`: a tree of all processes that the command started, with exit codes and lifetimes. */
import { type ProcessNode, type ProcessTree, lifeOf, longLived, nodesOf } from '../../pictures/process-tree.js'
import { programTotals } from '../../pictures/program-totals.js'
import { type CommandOutcome, timelineOf } from '../../pictures/timeline.js'
import { printable } from '../../recording/text.js'
import type { RunEntry } from '../../recording/run-entry.js'
import { commandOf, forkOf, isFailed, statusOf } from '../../recording/words.js'
import type { RunOptions } from '../flags/args.js'
import { formatBytes, formatDuration, formatOffset, plural } from '../output/format.js'
import { type Layout, type Piece, line } from '../output/text.js'

/** Which processes are shown, and in which order. */
export interface ReportOrder {
  readonly sort: RunOptions['sort']
  /** The shortest lifetime that is shown. */
  readonly minDurationNs: number
}

const EVERYTHING: ReportOrder = { sort: 'start', minDurationNs: 0 }

/** Returns what processes with the same parent are sorted by, the most first. null: the order of creation. */
const WEIGHT: { readonly [K in ReportOrder['sort']]: ((tree: ProcessTree) => (node: ProcessNode) => number) | null } = {
  start: null,
  life: () => lifeOf,
  cpu: (tree) =>
    ofSubtrees(
      tree,
      (node) => node.end?.usage?.cpuNs ?? 0,
      (a, b) => a + b,
    ),
  memory: (tree) =>
    ofSubtrees(
      tree,
      (node) => node.end?.usage?.maxRssBytes ?? 0,
      (a, b) => Math.max(a, b),
    ),
}

const WIDTH = { status: 11, start: 9, duration: 9, cpu: 9, memory: 9, pid: 7 }
/** Programs in the table of totals. */
const TOTALS_MAX = 20

export class Report {
  readonly tree: ProcessTree

  constructor(tree: ProcessTree) {
    this.tree = tree
  }

  lines({ lost }: CommandOutcome, layout: Layout, order: ReportOrder = EVERYTHING): string[] {
    const { tree } = this
    const titles = cells('STATUS', 'START', 'LIFETIME', tree.hasUsage ? ['CPU', 'MEMORY'] : [])
    const title = `${titles} ${'PID'.padStart(WIDTH.pid)}  COMMAND`
    const lines = [line([[title, 'bold']], layout)]
    let shown = 0
    for (const { node, branch } of walk(tree, order)) {
      shown++
      lines.push(nodeLine(node, branch, tree, layout))
    }
    const hidden = this.#hidden(shown)
    if (hidden > 0) {
      const processes = plural(hidden, 'process', 'processes')
      lines.push(
        line([[`not shown: ${processes} with a lifetime below ${formatDuration(order.minDurationNs)}`]], layout),
      )
    }
    const running = tree.running === 0 ? '' : `, ${tree.running} still running`
    const unlisted = tree.unlisted === 0 ? '' : `, ${tree.unlisted} of them not listed`
    const failed = `${tree.failed} failed`
    const counted = plural(tree.processes, 'process', 'processes')
    lines.push(line([[`${counted}${unlisted}, ${failed}${running}, ${plural(lost, 'event')} lost`]], layout))
    const omitted = [
      ...(tree.omittedExecs === 0 ? [] : [plural(tree.omittedExecs, 'exec')]),
      ...(tree.omittedArguments === 0 ? [] : [`the arguments of ${plural(tree.omittedArguments, 'exec')}`]),
    ]
    if (omitted.length > 0) lines.push(line([[`left out: ${omitted.join(', ')}`]], layout))
    return lines
  }

  /** Returns a table of the totals by program, and an empty line before it. */
  totals(outcome: CommandOutcome, layout: Layout, { sort }: ReportOrder = EVERYTHING): string[] {
    const { tree } = this
    const totals = programTotals(timelineOf(tree, outcome)).toSorted((a, b) => {
      if (sort === 'cpu') return (b.cpuNs ?? 0) - (a.cpuNs ?? 0)
      if (sort === 'memory') return (b.maxRssBytes ?? 0) - (a.maxRssBytes ?? 0)
      return 0
    })
    const row = (figures: readonly string[], name: string): string =>
      `${figures.map((figure) => figure.padStart(WIDTH.duration)).join('')}  ${name}`
    const cost = (cpu: string, memory: string): string[] => (tree.hasUsage ? [cpu, memory] : [])
    const rows = totals.slice(0, TOTALS_MAX).map((total) => {
      const { name, processes, failed, lifeNs, cpuNs, maxRssBytes } = total
      const costs = cost(formatDuration(cpuNs), formatBytes(maxRssBytes))
      return row([String(processes), String(failed), formatDuration(lifeNs), ...costs], printable(name))
    })
    const more = totals.length - rows.length
    const title = row(['COUNT', 'FAILED', 'LIFETIME', ...cost('CPU', 'MEMORY')], 'PROGRAM')
    return [
      '',
      line([[title, 'bold']], layout),
      ...[...rows, ...(more > 0 ? [`… and ${more} more`] : [])].map((text) => line([[text]], layout)),
    ]
  }

  /** The tree as a flat list with depths, so that no reader needs a deep stack. */
  toObject({ command, exitCode, signal, lost }: CommandOutcome, order: ReportOrder = EVERYTHING): RunEntry {
    const { tree } = this
    const processes = [...walk(tree, order)].map(({ node, depth }) => ({
      pid: node.pid,
      ppid: node.ppid,
      depth,
      timestampNs: node.beganNs,
      offsetNs: node.beganNs - tree.startNs,
      durationNs: node.end === null ? null : node.end.ns - node.beganNs,
      running: node.end === null,
      exitCode: node.end?.exitCode ?? null,
      signal: node.end?.signal ?? null,
      coreDumped: node.end?.coreDumped ?? false,
      uid: node.uid,
      user: node.user,
      execs: node.execs,
      omittedExecs: node.omittedExecs,
      forked: node.forked,
      parentName: node.parentName,
      startTime: node.startTime,
      usage: node.end?.usage ?? null,
    }))
    const { failed, running, unlisted, omittedExecs, omittedArguments, start, end, losses } = tree
    const counts = { failed, running, unlisted, lost, omittedExecs, omittedArguments }
    const hidden = this.#hidden(processes.length)
    return { type: 'run', command, exitCode, signal, ...counts, hidden, start, end, losses, processes }
  }

  /** Returns the number of listed processes that are not shown, because they are too short-lived. */
  #hidden(shown: number): number {
    return this.tree.processes - this.tree.unlisted - shown
  }
}

interface Step {
  readonly node: ProcessNode
  readonly depth: number
  /** The text before the process. */
  readonly branch: string
  /** The text before its children. */
  readonly below: string
}

/** Yields the processes that are shown, parents before their children. */
function* walk(tree: ProcessTree, { sort, minDurationNs }: ReportOrder): Generator<Step> {
  const shown = longLived(tree, minDurationNs)
  const weight = WEIGHT[sort]?.(tree) ?? null
  const ordered = (nodes: readonly ProcessNode[]): readonly ProcessNode[] => {
    const kept = shown === null ? nodes : nodes.filter((node) => shown.has(node))
    return weight === null ? kept : kept.toSorted((a, b) => compareDescending(weight(a), weight(b)))
  }
  const steps = (nodes: readonly ProcessNode[], depth: number, below: string): Step[] =>
    nodes
      .map((node, index): Step => {
        const isLast = index === nodes.length - 1
        const [branch, rest] = depth === 0 ? ['', ''] : isLast ? ['└─ ', '   '] : ['├─ ', '│  ']
        return { node, depth, branch: below + branch, below: depth > BRANCHES_MAX ? below : below + rest }
      })
      .toReversed()
  const open = steps(ordered(tree.roots), 0, '')
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    yield step
    open.push(...steps(ordered(step.node.children), step.depth + 1, step.below))
  }
}

/** Returns a function that gives the figure of a process and its descendants together. */
function ofSubtrees(
  tree: ProcessTree,
  own: (node: ProcessNode) => number,
  together: (a: number, b: number) => number,
): (node: ProcessNode) => number {
  const figures = new Map<ProcessNode, number>()
  // Children come before their parents.
  for (const node of [...nodesOf(tree)].toReversed()) {
    figures.set(node, node.children.map((child) => figures.get(child) ?? 0).reduce(together, own(node)))
  }
  return (node) => figures.get(node) ?? 0
}

/** Deeper ones are indented no further. */
const BRANCHES_MAX = 40

/** Unlike a difference, it compares two infinite values as equal. */
function compareDescending(a: number, b: number): number {
  return a === b ? 0 : a < b ? 1 : -1
}

function cells(status: string, start: string, duration: string, [cpu, memory]: readonly string[]): string {
  const times = status.padEnd(WIDTH.status) + start.padStart(WIDTH.start) + duration.padStart(WIDTH.duration)
  return cpu === undefined ? times : times + cpu.padStart(WIDTH.cpu) + memory!.padStart(WIDTH.memory)
}

function nodeLine(node: ProcessNode, branch: string, { startNs, hasUsage }: ProcessTree, layout: Layout): string {
  const { pid, end, beganNs } = node
  const status = end === null ? 'running' : statusOf(end)
  const duration = end === null ? '' : formatDuration(end.ns - beganNs)
  const command = commandsOf(node)
  const failed = end !== null && isFailed(end)
  const style = failed ? 'red' : end === null ? 'yellow' : undefined
  const pieces: Piece[] = [
    [cells(status, formatOffset(beganNs - startNs), duration, hasUsage ? costOf(node) : []), style],
    [` ${String(pid).padStart(WIDTH.pid)}  `],
    [branch, 'dim'],
    [command + (end?.coreDumped ? ' [core dumped]' : ''), style],
  ]
  return line(pieces, layout)
}

function costOf({ end }: ProcessNode): string[] {
  if (end === null) return ['', '']
  return [formatDuration(end.usage?.cpuNs ?? null), formatBytes(end.usage?.maxRssBytes ?? null)]
}

/** The programs of a process, one after the other. */
function commandsOf({ execs, omittedExecs, parentName }: ProcessNode): string {
  if (execs.length === 0) return forkOf(parentName)
  const commands = execs.map((exec) => commandOf(exec))
  if (omittedExecs > 0) commands.splice(-1, 0, `(${omittedExecs} more)`)
  return commands.join(' → ')
}
