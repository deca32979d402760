/** The report of `run`: a tree of all processes that the command started, with exit codes and lifetimes. */
import { type ProcessNode, type ProcessTree, lifeOf, longLived } from '../../pictures/process-tree.js'
import type { CommandOutcome } from '../../pictures/timeline.js'
import type { RunEntry } from '../../recording/run-entry.js'
import { commandOf, forkOf, isFailed, statusOf } from '../../recording/words.js'
import type { RunOptions } from '../flags/args.js'
import { formatDuration, formatOffset, plural } from '../output/format.js'
import { type Layout, type Piece, line } from '../output/text.js'

/** Which processes are shown, and in which order. */
export interface ReportOrder {
  readonly sort: RunOptions['sort']
  /** The shortest lifetime that is shown. */
  readonly minDurationNs: number
}

const EVERYTHING: ReportOrder = { sort: 'start', minDurationNs: 0 }

/** Compares processes with the same parent. Those that compare as equal stay in order of creation. */
const COMPARE: { readonly [K in ReportOrder['sort']]: ((a: ProcessNode, b: ProcessNode) => number) | null } = {
  start: null,
  life: (a, b) => compareDescending(lifeOf(a), lifeOf(b)),
}

const WIDTH = { status: 11, start: 9, duration: 9, pid: 7 }

export class Report {
  readonly tree: ProcessTree

  constructor(tree: ProcessTree) {
    this.tree = tree
  }

  lines({ lost }: CommandOutcome, layout: Layout, order: ReportOrder = EVERYTHING): string[] {
    const { tree } = this
    const title = `${cells('STATUS', 'START', 'LIFETIME')} ${'PID'.padStart(WIDTH.pid)}  COMMAND`
    const lines = [line([[title, 'bold']], layout)]
    let shown = 0
    for (const { node, branch } of walk(tree, order)) {
      shown++
      lines.push(nodeLine(node, branch, tree.startNs, layout))
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
  const ordered = (nodes: readonly ProcessNode[]): readonly ProcessNode[] => {
    const kept = shown === null ? nodes : nodes.filter((node) => shown.has(node))
    const compare = COMPARE[sort]
    return compare === null ? kept : kept.toSorted(compare)
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

/** Deeper ones are indented no further. */
const BRANCHES_MAX = 40

/** Unlike a difference, it compares two infinite values as equal. */
function compareDescending(a: number, b: number): number {
  return a === b ? 0 : a < b ? 1 : -1
}

function cells(status: string, start: string, duration: string): string {
  return status.padEnd(WIDTH.status) + start.padStart(WIDTH.start) + duration.padStart(WIDTH.duration)
}

function nodeLine(node: ProcessNode, branch: string, startNs: number, layout: Layout): string {
  const { pid, end, beganNs } = node
  const status = end === null ? 'running' : statusOf(end)
  const duration = end === null ? '' : formatDuration(end.ns - beganNs)
  const command = commandsOf(node)
  const failed = end !== null && isFailed(end)
  const style = failed ? 'red' : end === null ? 'yellow' : undefined
  const pieces: Piece[] = [
    [cells(status, formatOffset(beganNs - startNs), duration), style],
    [` ${String(pid).padStart(WIDTH.pid)}  `],
    [branch, 'dim'],
    [command + (end?.coreDumped ? ' [core dumped]' : ''), style],
  ]
  return line(pieces, layout)
}

/** The programs of a process, one after the other. */
function commandsOf({ execs, omittedExecs, parentName }: ProcessNode): string {
  if (execs.length === 0) return forkOf(parentName)
  const commands = execs.map((exec) => commandOf(exec))
  if (omittedExecs > 0) commands.splice(-1, 0, `(${omittedExecs} more)`)
  return commands.join(' → ')
}
