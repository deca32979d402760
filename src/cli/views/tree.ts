/** Shows each event as a line, indented under its parent. A parent is repeated if other lines came in between. */
import { dropOldest } from '../entries/bounded.js'
import { type Entry, type EventEntry, isEvent, isRemark } from '../../recording/entry.js'
import { excerpt } from '../../recording/text.js'
import { formatDuration } from '../output/format.js'
import { commandOrFork, statusOf } from '../../recording/words.js'
import { type Layout, type Piece, column, line } from '../output/text.js'
import { printable } from '../../recording/text.js'
import { EVENT_WORDS, costOf, detailOf, markOf, remarkLine, styleOf, timeOf } from './lines.js'
import { type Stream, isNews } from './view.js'

interface Node {
  readonly pid: number
  readonly parent: Node | null
  readonly depth: number
  label: string
}

const WIDTH = { event: 5, pid: 7, result: 17 }
const RESULT_TITLE = `STATUS${'DURATION'.padStart(WIDTH.result - 'STATUS'.length)}`
/** Columns that are left for the command at any depth. */
const COMMAND_MIN = 24
/** The largest number of known processes. The oldest are removed first. */
const NODES_MAX = 32_768
/** Characters of a command that are kept for its children. */
const LABEL_MAX = 1000
/** The largest number of ancestors, because children may outlive their parents again and again. */
const DEPTH_MAX = 64

export class Tree implements Stream {
  readonly #live = new Map<number, Node>()
  /** The pid of the last line at each depth. */
  #path: number[] = []
  readonly #showsUsage: boolean

  constructor(showsUsage = false) {
    this.#showsUsage = showsUsage
  }

  header(layout: Layout): readonly string[] {
    const titles = [timeTitle(layout), ' EVENT', 'PID'.padStart(WIDTH.pid), RESULT_TITLE, 'COMMAND']
    return [line([[titles.join(' '), 'bold']], layout)]
  }

  add(entry: Entry, layout: Layout): readonly string[] {
    if (isRemark(entry)) return [remarkLine(entry, layout)]
    if (!isEvent(entry)) return []
    const node = this.#place(entry)
    // A fork is shown by its later events.
    if (!isNews(entry) || entry.type === 'fork') return []
    return [...this.#context(node, layout), this.#line(node, entry, layout)]
  }

  #place(entry: EventEntry): Node {
    const { pid, type } = entry
    // A fork begins a new process. The exit of the earlier process may not be reported.
    const known = type === 'fork' ? undefined : this.#live.get(pid)
    const node = known ?? this.#born(entry)
    // The latest process is last.
    this.#live.delete(pid)
    if (type !== 'exit') this.#live.set(pid, node)
    dropOldest(this.#live, NODES_MAX)
    if (type === 'exec' || known === undefined) node.label = excerpt(commandOrFork(entry), LABEL_MAX)
    return node
  }

  #born({ pid, ppid, parentName, origin }: EventEntry): Node {
    const known = ppid === null ? undefined : this.#live.get(ppid)
    const parent = known ?? detached(origin === 'bootstrap' ? null : ppid, parentName)
    const isTooDeep = parent !== null && parent.depth >= DEPTH_MAX
    const under = isTooDeep ? detached(parent.pid, parent.label) : parent
    return { pid, parent: under, depth: under === null ? 0 : under.depth + 1, label: '' }
  }

  /** Repeats the parent, unless its line is the nearest one above with less indentation. */
  #context({ parent }: Node, layout: Layout): string[] {
    if (parent === null || this.#path[parent.depth] === parent.pid) return []
    this.#reach(parent)
    const blank = ' '.repeat(timeTitle(layout).length + 2 + WIDTH.event)
    const start = `${blank} ${String(parent.pid).padStart(WIDTH.pid)} ${column('', WIDTH.result)} `
    return [line([[start + indent(parent, start.length, layout) + parent.label, 'dim']], layout)]
  }

  #line(node: Node, entry: EventEntry, layout: Layout): string {
    this.#reach(node)
    const isExit = entry.type === 'exit'
    const status = isExit ? statusOf(entry) : ''
    const result =
      status + (isExit ? formatDuration(entry.durationNs ?? null) : '').padStart(WIDTH.result - status.length)
    const time = `${timeOf(entry, layout)} `
    const event = (markOf(entry) || ' ') + (EVENT_WORDS[entry.type] ?? entry.type).padEnd(WIDTH.event)
    const ids = ` ${String(node.pid).padStart(WIDTH.pid)} ${result} `
    const text = indent(node, time.length + event.length + ids.length, layout) + this.#words(node, entry)
    const style = styleOf(entry)
    const rest = style === 'red' ? style : undefined
    const pieces: Piece[] = [
      [time, rest],
      [event, style],
      [ids, rest],
      [text, rest],
    ]
    return line(pieces, layout)
  }

  /** A process without an exec is shown as a fork of its parent. */
  #words(node: Node, entry: EventEntry): string {
    const words = detailOf(entry)
    return (words === '-' ? node.label : words) + (this.#showsUsage ? costOf(entry) : '')
  }

  #reach({ pid, depth }: Node): void {
    this.#path = this.#path.slice(0, depth)
    this.#path[depth] = pid
  }
}

/** Returns a node for a process without events. */
function detached(pid: number | null, name: string | null): Node | null {
  return pid === null || pid === 0
    ? null
    : { pid, parent: null, depth: 0, label: excerpt(printable(name ?? '-'), LABEL_MAX) }
}

function indent({ depth }: Node, before: number, { columns }: Layout): string {
  const most = columns === Infinity ? Infinity : Math.max(0, columns - before - COMMAND_MIN)
  return ' '.repeat(Math.min(2 * depth, most))
}

function timeTitle(layout: Layout): string {
  return 'TIME'.padEnd(layout.columns >= 120 ? 12 : 8)
}
