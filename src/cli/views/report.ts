/** The report of `run`: a tree of all processes that the command started, with exit codes and lifetimes. */
import type { EventEntry } from '../entries/entry.js'
import type { RunOptions } from '../flags/args.js'
import { commandOf, forkOf, formatDuration, formatOffset, isFailed, plural, statusOf } from '../output/format.js'
import { type Layout, type Piece, keptName, line } from '../output/text.js'

interface Exec {
  readonly timestampNs: number
  readonly name: string | null
  exe: string | null
  argv: readonly string[] | null
}

interface Node {
  readonly pid: number
  readonly ppid: number | null
  readonly beganNs: number
  /** A process that is not listed keeps no execs. */
  readonly isListed: boolean
  readonly execs: Exec[]
  /** Execs before the last one that are not kept. */
  omittedExecs: number
  readonly children: Node[]
  /** The parent's name. A process has this name until its first exec. */
  readonly parentName: string | null
  user: string | null
  uid: number | null
  end: End | null
}

export interface End {
  readonly ns: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly coreDumped: boolean
}

/** The outcome of the command, as its parent knows it. */
export interface CommandOutcome {
  readonly command: readonly string[]
  readonly exitCode: number | null
  readonly signal: string | null
  readonly lost: number
}

/** Which processes are shown, and in which order. */
export interface ReportOrder {
  readonly sort: RunOptions['sort']
  /** The shortest lifetime that is shown. */
  readonly minDurationNs: number
}

const EVERYTHING: ReportOrder = { sort: 'start', minDurationNs: 0 }

/** Compares processes with the same parent. Those that compare as equal stay in order of creation. */
const COMPARE: { readonly [K in ReportOrder['sort']]: ((a: Node, b: Node) => number) | null } = {
  start: null,
  life: (a, b) => compareDescending(lifeOf(a), lifeOf(b)),
}

/** Processes reported one by one. */
const PROCESSES_MAX = 100_000
/** Execs that are kept of one process: all but the last are the first ones. */
const EXECS_MAX = 100
/** Execs that are kept of all processes, beyond the last one of each. */
const ALL_EXECS_MAX = 400_000
/** Characters of arguments and paths that are kept of all execs. */
const TEXT_MAX = 2 ** 25
const WIDTH = { status: 11, start: 9, duration: 9, pid: 7 }

export interface ReportLimits {
  readonly processes: number
  readonly execs: number
  readonly characters: number
}

export class Report {
  readonly #roots: Node[] = []
  readonly #live = new Map<number, Node>()
  #processes = 0
  /** The time at which the first process began. */
  #startNs = Infinity
  #failed = 0
  #unlisted = 0
  #execs = 0
  #omittedExecs = 0
  #characters = 0
  /** Execs whose arguments and path are not kept. */
  #omittedArguments = 0
  readonly #limits: ReportLimits

  constructor(limits: Partial<ReportLimits> = {}) {
    this.#limits = { processes: PROCESSES_MAX, execs: ALL_EXECS_MAX, characters: TEXT_MAX, ...limits }
  }

  add(entry: EventEntry): void {
    if (entry.type === 'exit') this.#exit(entry)
    else if (entry.type === 'exec') this.#exec(entry)
    else if (entry.type === 'fork') this.#addFork(entry)
  }

  #exec(entry: EventEntry): void {
    const { pid, timestampNs, name, exe, argv, uid, user } = entry
    const node = this.#live.get(pid) ?? this.#addFork(entry)
    if (node.isListed) this.#keep(node, { timestampNs, name: name === null ? null : keptName(name), exe, argv })
    node.uid = uid
    node.user = user
  }

  /** The first execs of a process show its purpose. The last one shows the program that exited. */
  #keep(node: Node, exec: Exec): void {
    if (node.execs.length > 0 && (node.execs.length >= EXECS_MAX || this.#execs >= this.#limits.execs)) {
      const { argv, exe } = node.execs.pop()!
      this.#characters -= sizeOf(argv, exe)
      node.omittedExecs++
      this.#omittedExecs++
    } else {
      this.#execs++
    }
    const size = sizeOf(exec.argv, exec.exe)
    if (size > 0 && this.#characters + size > this.#limits.characters) {
      exec.argv = exec.exe = null
      this.#omittedArguments++
    } else {
      this.#characters += size
    }
    node.execs.push(exec)
  }

  #exit(entry: EventEntry): void {
    const node = this.#live.get(entry.pid) ?? this.#addFork(entry)
    this.#live.delete(entry.pid)
    const { timestampNs: ns, exitCode = null, signal = null, coreDumped = false } = entry
    node.end = { ns, exitCode, signal, coreDumped }
    if (isFailed(entry)) this.#failed++
  }

  #addFork({ pid, ppid, timestampNs, parentName }: EventEntry): Node {
    this.#processes++
    this.#startNs = Math.min(this.#startNs, timestampNs)
    const isListed = this.#processes <= this.#limits.processes
    const node: Node = {
      pid,
      ppid,
      beganNs: timestampNs,
      isListed,
      execs: [],
      omittedExecs: 0,
      children: [],
      parentName,
      user: null,
      uid: null,
      end: null,
    }
    this.#live.set(pid, node)
    if (!isListed) this.#unlisted++
    else (this.#live.get(ppid ?? 0)?.children ?? this.#roots).push(node)
    return node
  }

  /** Sets the arguments of the process with that pid, if they could not be captured. */
  complete(pid: number, argv: readonly string[] | null): void {
    const exec = this.#roots.find((node) => node.pid === pid)?.execs[0]
    if (exec !== undefined) exec.argv ??= argv
  }

  /** Returns the processes whose exit was not reported. */
  running(): readonly number[] {
    return [...this.#live.keys()]
  }

  /** Returns the exit of a process with another parent than the reported ones; null until it is reported. */
  endOf(pid: number): End | null {
    return this.#roots.find((node) => node.pid === pid)?.end ?? null
  }

  lines({ lost }: CommandOutcome, layout: Layout, order: ReportOrder = EVERYTHING): string[] {
    const title = `${cells('STATUS', 'START', 'LIFETIME')} ${'PID'.padStart(WIDTH.pid)}  COMMAND`
    const lines = [line([[title, 'bold']], layout)]
    let shown = 0
    for (const { node, branch } of this.#walk(order)) {
      shown++
      lines.push(nodeLine(node, branch, this.#startNs, layout))
    }
    const hidden = this.#hidden(shown)
    if (hidden > 0) {
      const processes = plural(hidden, 'process', 'processes')
      lines.push(
        line([[`not shown: ${processes} with a lifetime below ${formatDuration(order.minDurationNs)}`]], layout),
      )
    }
    const running = this.#live.size === 0 ? '' : `, ${this.#live.size} still running`
    const unlisted = this.#unlisted === 0 ? '' : `, ${this.#unlisted} of them not listed`
    const failed = `${this.#failed} failed`
    const counted = plural(this.#processes, 'process', 'processes')
    lines.push(line([[`${counted}${unlisted}, ${failed}${running}, ${plural(lost, 'event')} lost`]], layout))
    const omitted = [
      ...(this.#omittedExecs === 0 ? [] : [plural(this.#omittedExecs, 'exec')]),
      ...(this.#omittedArguments === 0 ? [] : [`the arguments of ${plural(this.#omittedArguments, 'exec')}`]),
    ]
    if (omitted.length > 0) lines.push(line([[`left out: ${omitted.join(', ')}`]], layout))
    return lines
  }

  /** The tree as a flat list with depths, so that no reader needs a deep stack. */
  toObject({ command, exitCode, signal, lost }: CommandOutcome, order: ReportOrder = EVERYTHING): object {
    const processes = [...this.#walk(order)].map(({ node, depth }) => ({
      pid: node.pid,
      ppid: node.ppid,
      depth,
      timestampNs: node.beganNs,
      offsetNs: node.beganNs - this.#startNs,
      durationNs: node.end === null ? null : node.end.ns - node.beganNs,
      running: node.end === null,
      exitCode: node.end?.exitCode ?? null,
      signal: node.end?.signal ?? null,
      coreDumped: node.end?.coreDumped ?? false,
      uid: node.uid,
      user: node.user,
      execs: node.execs,
      omittedExecs: node.omittedExecs,
    }))
    const omitted = { omittedExecs: this.#omittedExecs, omittedArguments: this.#omittedArguments }
    const counts = { failed: this.#failed, running: this.#live.size, unlisted: this.#unlisted, lost, ...omitted }
    const hidden = this.#hidden(processes.length)
    return { type: 'run', command, exitCode, signal, ...counts, hidden, processes }
  }

  /** Returns the number of listed processes that are not shown, because they are too short-lived. */
  #hidden(shown: number): number {
    return this.#processes - this.#unlisted - shown
  }

  /** Returns the processes that live long enough, and all their ancestors. null: all processes. */
  #shown(minDurationNs: number): ReadonlySet<Node> | null {
    if (minDurationNs <= 0) return null
    // Not recursive, because a tree may be deeper than the stack. Children are added after their parents.
    const all = [...this.#roots]
    for (let at = 0; at < all.length; at++) for (const child of all[at]!.children) all.push(child)
    const shown = new Set<Node>()
    for (const node of all.toReversed()) {
      if (lifeOf(node) >= minDurationNs || node.children.some((child) => shown.has(child))) shown.add(node)
    }
    return shown
  }

  /** Yields the processes that are shown, parents before their children. `branch` is the text before a process. */
  *#walk({ sort, minDurationNs }: ReportOrder): Generator<{ node: Node; depth: number; branch: string }> {
    const shown = this.#shown(minDurationNs)
    const ordered = (nodes: readonly Node[]): readonly Node[] => {
      const kept = shown === null ? nodes : nodes.filter((node) => shown.has(node))
      const compare = COMPARE[sort]
      return compare === null ? kept : kept.toSorted(compare)
    }
    interface Step {
      readonly node: Node
      readonly depth: number
      readonly branch: string
      readonly below: string
    }
    const steps = (nodes: readonly Node[], depth: number, below: string): Step[] =>
      nodes
        .map((node, index): Step => {
          const isLast = index === nodes.length - 1
          const [branch, rest] = depth === 0 ? ['', ''] : isLast ? ['└─ ', '   '] : ['├─ ', '│  ']
          return { node, depth, branch: below + branch, below: depth > BRANCHES_MAX ? below : below + rest }
        })
        .toReversed()
    const open = steps(ordered(this.#roots), 0, '')
    for (let step = open.pop(); step !== undefined; step = open.pop()) {
      yield step
      open.push(...steps(ordered(step.node.children), step.depth + 1, step.below))
    }
  }
}

/** Deeper ones are indented no further. */
const BRANCHES_MAX = 40

function sizeOf(argv: readonly string[] | null, exe: string | null): number {
  // An argument costs something even if it is empty.
  return (argv ?? []).reduce((sum, argument) => sum + argument.length + 16, exe?.length ?? 0)
}

/** A process that still runs has an endless life. */
function lifeOf({ beganNs, end }: Node): number {
  return end === null ? Infinity : end.ns - beganNs
}

/** Unlike a difference, it compares two infinite values as equal. */
function compareDescending(a: number, b: number): number {
  return a === b ? 0 : a < b ? 1 : -1
}

function cells(status: string, start: string, duration: string): string {
  return status.padEnd(WIDTH.status) + start.padStart(WIDTH.start) + duration.padStart(WIDTH.duration)
}

function nodeLine(node: Node, branch: string, startNs: number, layout: Layout): string {
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
function commandsOf({ execs, omittedExecs, parentName }: Node): string {
  if (execs.length === 0) return forkOf(parentName)
  const commands = execs.map((exec) => commandOf(exec))
  if (omittedExecs > 0) commands.splice(-1, 0, `(${omittedExecs} more)`)
  return commands.join(' → ')
}
