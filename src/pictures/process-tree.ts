/** The processes of a recording as a tree of bounded size. */
import type { ResourceUsage } from '../api/event-types.js'
import {
  type EndEntry,
  type Entry,
  type EventEntry,
  type LossEntry,
  type StartEntry,
} from '../recording/entry.js'
import { keptName } from '../recording/text.js'
import { isFailed } from '../recording/words.js'

export interface Exec {
  readonly timestampNs: number
  readonly name: string | null
  exe: string | null
  argv: readonly string[] | null
  argvTruncated?: true
  cwd: string | null
}

export interface ProcessNode {
  readonly pid: number
  readonly ppid: number | null
  /** The time of the fork, or else the earliest known time. */
  readonly beganNs: number
  /** True: `beganNs` is the time of the fork. */
  readonly forked: boolean
  /** A process that is not listed keeps no execs, and is no child of its parent. */
  readonly isListed: boolean
  readonly execs: Exec[]
  /** Execs before the last one that are not kept. */
  omittedExecs: number
  readonly parent: ProcessNode | null
  readonly children: ProcessNode[]
  /** The parent's name. A process has this name until its first exec. */
  readonly parentName: string | null
  user: string | null
  uid: number | null
  /** Clock ticks since boot. */
  startTime: number | null
  end: End | null
}

export interface End {
  readonly ns: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly coreDumped: boolean
  readonly usage: ResourceUsage | null
}

/** Processes reported one by one. */
const PROCESSES_MAX = 100_000
/** Execs that are kept of one process: all but the last are the first ones. */
const EXECS_MAX = 100
/** Execs that are kept of all processes, beyond the last one of each. */
const ALL_EXECS_MAX = 400_000
/** Characters of arguments and paths that are kept of all execs. */
const TEXT_MAX = 2 ** 25
/** Losses that are kept one by one. */
const LOSSES_MAX = 1000

export interface TreeLimits {
  readonly processes: number
  readonly execs: number
  readonly characters: number
}

/** Counts of things that a tree has not kept. */
export interface Omissions {
  /** Processes that are counted, but not listed. */
  readonly unlisted: number
  readonly omittedExecs: number
  /** Execs whose arguments and paths are not kept. */
  readonly omittedArguments: number
}

export class ProcessTree {
  readonly roots: ProcessNode[] = []
  /** The first losses, at their moments. */
  readonly losses: LossEntry[] = []
  /** Events that were lost. */
  lost = 0
  start: StartEntry | null = null
  end: EndEntry | null = null
  /** The time at which the first process began. Infinity: none did. */
  startNs: number = Infinity
  /** The time of the last entry. */
  endNs: number = -Infinity
  /** All processes, unlisted ones included. */
  processes = 0
  failed = 0
  unlisted = 0
  omittedExecs = 0
  omittedArguments = 0
  readonly #live = new Map<number, ProcessNode>()
  readonly #limits: TreeLimits
  #execs = 0
  #characters = 0

  constructor(limits: Partial<TreeLimits> = {}) {
    this.#limits = { processes: PROCESSES_MAX, execs: ALL_EXECS_MAX, characters: TEXT_MAX, ...limits }
  }

  add(entry: Entry): void {
    this.endNs = Math.max(this.endNs, entry.timestampNs)
    if (entry.type === 'exit') this.#exit(entry)
    else if (entry.type === 'exec') this.#exec(entry)
    else if (entry.type === 'fork') this.#begin(entry, entry.timestampNs, true)
    else if (entry.type === 'loss') this.#lose(entry)
    else if (entry.type === 'start') this.start ??= entry
    else if (entry.type === 'end') this.end = entry
  }

  /** Adds what an earlier tree had not kept. */
  omit({ unlisted, omittedExecs, omittedArguments }: Omissions): void {
    this.processes += unlisted
    this.unlisted += unlisted
    this.omittedExecs += omittedExecs
    this.omittedArguments += omittedArguments
  }

  /** Processes whose exit was not reported. */
  get running(): number {
    return this.#live.size
  }

  /** Returns the pids of the processes whose exit was not reported. */
  runningPids(): readonly number[] {
    return [...this.#live.keys()]
  }

  /** Sets the arguments of the root with that pid, if they could not be captured. */
  complete(pid: number, argv: readonly string[] | null): void {
    const exec = this.rootOf(pid)?.execs[0]
    if (exec !== undefined) exec.argv ??= argv
  }

  /** Returns the process with that pid and with another parent than the reported ones. */
  rootOf(pid: number): ProcessNode | null {
    return this.roots.find((node) => node.pid === pid) ?? null
  }

  #exec(entry: EventEntry): void {
    const { pid, timestampNs, name, exe, argv, argvTruncated, cwd, uid, user, startTime } = entry
    const live = this.#live.get(pid)
    // The exit of a process with that pid, and the fork of this one, may have been lost.
    const isSame = live !== undefined && (live.startTime ?? startTime) === (startTime ?? live.startTime)
    const node = isSame ? live : this.#begin(entry, timestampNs, false)
    const exec = { timestampNs, name: name === null ? null : keptName(name), exe, argv, cwd }
    if (node.isListed) this.#keep(node, argvTruncated === true ? { ...exec, argvTruncated } : exec)
    node.uid = uid
    node.user = user
    node.startTime ??= startTime
  }

  /** The first execs of a process show its purpose. The last one shows the program that exited. */
  #keep(node: ProcessNode, exec: Exec): void {
    if (node.execs.length > 0 && (node.execs.length >= EXECS_MAX || this.#execs >= this.#limits.execs)) {
      this.#characters -= sizeOf(node.execs.pop()!)
      node.omittedExecs++
      this.omittedExecs++
    } else {
      this.#execs++
    }
    const size = sizeOf(exec)
    if (size > 0 && this.#characters + size > this.#limits.characters) {
      exec.argv = exec.exe = exec.cwd = null
      this.omittedArguments++
    } else {
      this.#characters += size
    }
    node.execs.push(exec)
  }

  #exit(entry: EventEntry): void {
    const { pid, timestampNs: ns, durationNs = null, durationSince } = entry
    const live = this.#live.get(pid)
    const node = live ?? this.#begin(entry, ns - (durationNs ?? 0), durationSince === 'start')
    this.#live.delete(pid)
    const { exitCode = null, signal = null, coreDumped = false, usage = null } = entry
    node.end = { ns, exitCode, signal, coreDumped, usage }
    if (isFailed(entry)) this.failed++
  }

  #begin({ pid, ppid, parentName, timestampNs, startTime }: EventEntry, beganNs: number, forked: boolean): ProcessNode {
    this.processes++
    this.startNs = Math.min(this.startNs, beganNs)
    const isListed = this.processes - this.unlisted <= this.#limits.processes
    const parent = isListed && ppid !== pid ? (this.#live.get(ppid ?? 0) ?? null) : null
    const node: ProcessNode = {
      pid,
      ppid,
      beganNs,
      forked,
      isListed,
      execs: [],
      omittedExecs: 0,
      parent: parent?.isListed === true ? parent : null,
      children: [],
      parentName: parentNameOf(parentName, this.#live.get(ppid ?? 0)),
      user: null,
      uid: null,
      startTime,
      end: null,
    }
    // An earlier process with that pid has ended unseen.
    const earlier = this.#live.get(pid)
    if (earlier !== undefined) {
      earlier.end = { ns: timestampNs, exitCode: null, signal: null, coreDumped: false, usage: null }
    }
    this.#live.set(pid, node)
    if (isListed) (node.parent?.children ?? this.roots).push(node)
    else this.unlisted++
    return node
  }

  #lose(entry: LossEntry): void {
    this.lost += entry.lost
    if (this.losses.length < LOSSES_MAX) this.losses.push(entry)
  }
}

/** Returns the tree of these entries. */
export function treeOf(entries: Iterable<Entry>): ProcessTree {
  const tree = new ProcessTree()
  for (const entry of entries) tree.add(entry)
  return tree
}

/** A process that still runs has an endless life. */
export function lifeOf({ beganNs, end }: ProcessNode): number {
  return end === null ? Infinity : end.ns - beganNs
}

/** Yields every listed process, parents before their children. */
export function* nodesOf({ roots }: ProcessTree): Generator<ProcessNode> {
  // Not recursive, because a tree may be deeper than the stack.
  const open = roots.toReversed()
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield node
    for (let at = node.children.length - 1; at >= 0; at--) open.push(node.children[at]!)
  }
}

/** Returns the processes that live long enough, and all their ancestors. null: all processes. */
export function longLived(tree: ProcessTree, minDurationNs: number): ReadonlySet<ProcessNode> | null {
  if (minDurationNs <= 0) return null
  const kept = new Set<ProcessNode>()
  for (const node of nodesOf(tree)) {
    if (lifeOf(node) >= minDurationNs) addWithAncestors(kept, node)
  }
  return kept
}

/** Adds a process, and those of its ancestors that are missing, to a set that has all ancestors of its members. */
export function addWithAncestors(set: Set<ProcessNode>, node: ProcessNode): void {
  for (let at: ProcessNode | null = node; at !== null && !set.has(at); at = at.parent) set.add(at)
}

/** Returns the name that the event has, or else that of the program that the parent runs. */
function parentNameOf(name: string | null, parent: ProcessNode | undefined): string | null {
  if (name !== null) return keptName(name)
  return parent === undefined ? null : (parent.execs.at(-1)?.name ?? parent.parentName)
}

function sizeOf({ argv, exe, cwd }: Exec): number {
  // An argument costs something even if it is empty.
  const paths = (exe?.length ?? 0) + (cwd?.length ?? 0)
  return (argv ?? []).reduce((sum, argument) => sum + argument.length + 16, paths)
}
