/** Shows each event as a line in columns. A narrow terminal has few columns. */
import {
  type Entry,
  type EventEntry,
  type LossEntry,
  type NoteEntry,
  isEvent,
  isRemark,
} from '../../recording/entry.js'
import { formatBytes, formatDuration, formatSeconds, formatTime, isShort, lossText } from '../output/format.js'
import { commandOrFork, isFailed, statusOf } from '../../recording/words.js'
import { type Layout, type Piece, type Style, column, line } from '../output/text.js'
import { printable } from '../../recording/text.js'
import { type Stream, isNews } from './view.js'

/** From this width on each detail has a column of its own. */
const WIDE = 120
/** A signal's name and a duration never fill the two columns that they share. */
const WIDTH = { mark: 1, event: 5, pid: 7, user: 8, parent: 15, narrow: 17, result: 19 }

const TITLES: Cells = {
  time: 'TIME',
  mark: '',
  event: 'EVENT',
  pid: 'PID',
  ppid: 'PPID',
  user: 'USER',
  parent: 'PARENT',
  status: 'STATUS',
  duration: 'DURATION',
}

export class Lines implements Stream {
  readonly #showsUsage: boolean

  constructor(showsUsage = false) {
    this.#showsUsage = showsUsage
  }

  header(layout: Layout): readonly string[] {
    const titles = isWide(layout) ? TITLES : { ...TITLES, parent: 'PARENT/RESULT', isExec: true }
    return [line([[`${row(titles, layout)}COMMAND`, 'bold']], layout)]
  }

  add(entry: Entry, layout: Layout): readonly string[] {
    if (isRemark(entry)) return [remarkLine(entry, layout)]
    return isEvent(entry) && isNews(entry) ? [eventLine(entry, layout, this.#showsUsage)] : []
  }
}

interface Cells {
  readonly time: string
  readonly mark: string
  readonly event: string
  readonly pid: string
  readonly ppid: string
  readonly user: string
  readonly parent: string
  readonly status: string
  readonly duration: string
  /** An exec has a parent to show, and no result. */
  readonly isExec?: boolean
}

function eventLine(entry: EventEntry, layout: Layout, showsUsage: boolean): string {
  const isExit = entry.type === 'exit'
  const cells: Cells = {
    time: timeOf(entry, layout),
    mark: markOf(entry),
    event: EVENT_WORDS[entry.type] ?? entry.type,
    pid: String(entry.pid),
    ppid: String(entry.ppid ?? '-'),
    user: printable(entry.user ?? String(entry.uid ?? '-')),
    parent: printable(entry.parentName ?? '-'),
    status: isExit ? statusOf(entry) : '',
    duration: isExit ? formatDuration(entry.durationNs ?? null) : '',
    isExec: !isExit,
  }
  const style = styleOf(entry)
  const text = row(cells, layout)
  const at = text.indexOf(' ') + 1
  const end = at + WIDTH.mark + WIDTH.event
  const pieces: Piece[] =
    style === 'red'
      ? [[text, style]]
      : [[text.slice(0, at)], [text.slice(at, end), style], ...durationApart(text.slice(end), entry)]
  const words = detailOf(entry) + (showsUsage ? costOf(entry) : '')
  return line([...pieces, [words, style === 'red' ? style : undefined]], layout)
}

/** A short lifetime is yellow. */
function durationApart(text: string, entry: EventEntry): Piece[] {
  if (entry.type !== 'exit' || !isShort(entry)) return [[text]]
  const duration = formatDuration(entry.durationNs ?? null)
  const at = text.lastIndexOf(duration)
  return [[text.slice(0, at)], [duration, 'yellow'], [text.slice(at + duration.length)]]
}

function row(cells: Cells, layout: Layout): string {
  const { time, mark, event, pid, ppid, user, parent, status, duration, isExec } = cells
  const start = `${time.padEnd(timeWidth(layout))} ${mark.padEnd(WIDTH.mark)}${event.padEnd(WIDTH.event)}`
  const who = column(user, WIDTH.user)
  if (!isWide(layout)) {
    const result = isExec === true ? column(parent, WIDTH.narrow) : resultOf(status, duration, WIDTH.narrow)
    return `${start} ${pid.padStart(WIDTH.pid)} ${who} ${result} `
  }
  const ids = `${pid.padStart(WIDTH.pid)}  ${ppid.padStart(WIDTH.pid)}`
  return `${start}  ${ids}  ${who}  ${column(parent, WIDTH.parent)}  ${resultOf(status, duration, WIDTH.result)}  `
}

/** Exit code and lifetime share the width. */
function resultOf(status: string, duration: string, width: number): string {
  return status + duration.padStart(width - status.length)
}

function isWide({ columns }: Layout): boolean {
  return columns >= WIDE
}

function timeWidth(layout: Layout): number {
  return isWide(layout) ? 12 : 8
}

/** Failures and short lifetimes are visible without colours, too. */
export function markOf(entry: EventEntry): string {
  if (entry.type !== 'exit') return ''
  return isFailed(entry) ? '!' : isShort(entry) ? '~' : ''
}

export function timeOf(entry: Entry, layout: Layout): string {
  const time = new Date(entry.time)
  return isWide(layout) ? formatTime(time) : formatSeconds(time)
}

/** Short words for types that are longer than the column. */
export const EVENT_WORDS: { readonly [type: string]: string } = { ptrace: 'trace', coredump: 'core' }

export function styleOf(entry: EventEntry): Style {
  if (entry.type === 'exec') return 'green'
  if (entry.type === 'exit') return isFailed(entry) ? 'red' : 'blue'
  return entry.type === 'coredump' ? 'red' : 'yellow'
}

/** Returns the command, and the values that the event has changed. */
export function detailOf(entry: EventEntry): string {
  const command = commandOrFork(entry) + (entry.argvTruncated ? ' …' : '')
  switch (entry.type) {
    case 'comm':
      return `${command} [${entry.tid === entry.pid ? 'is' : `thread ${entry.tid} is`} now ${printable(entry.comm ?? '-')}]`
    case 'uid':
      return `${command} [user ${entry.ruid}, effective ${entry.euid}]`
    case 'gid':
      return `${command} [group ${entry.rgid}, effective ${entry.egid}]`
    case 'ptrace':
      return `${command} [${typeof entry.tracerPid === 'number' ? `traced by ${entry.tracerPid}` : 'traced no longer'}]`
    case 'exit':
      return entry.coreDumped ? `${command} [core dumped]` : command
    default:
      return command
  }
}

/** Returns the cost of an exit in brackets; nothing for another event. */
export function costOf({ type, usage }: EventEntry): string {
  if (type !== 'exit') return ''
  if (usage === undefined || usage === null) return ' [cost unknown]'
  const memory = usage.maxRssBytes === null ? '' : `, ${formatBytes(usage.maxRssBytes)}`
  return ` [cpu ${formatDuration(usage.cpuNs)}${memory}]`
}

/** A loss or a note, where it happened. */
export function remarkLine(entry: LossEntry | NoteEntry, layout: Layout): string {
  const text = entry.type === 'loss' ? lossText(entry) : printable(entry.message)
  return line([[`${timeOf(entry, layout)} !${entry.type.padEnd(WIDTH.event)} ${text}`, 'yellow']], layout)
}
