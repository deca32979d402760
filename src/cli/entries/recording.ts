/** Reads entries from a recording, and applies the same filters as for live ones. */
import { createReadStream } from 'node:fs'
import { type Readable, addAbortSignal } from 'node:stream'
import { compileFilter } from '../../monitor/filter.js'
import type { FilterSubject } from '../../native/record-view.js'
import type { ShowOptions, WatchFilter } from '../flags/args.js'
import { type Entry, type EventEntry, isEvent } from './entry.js'
import { readEntry } from './ndjson.js'
import { redact } from './redact/redact.js'

/** The longest line, in characters: several times the longest arguments of a process. */
const LINE_MAX = 2 ** 26

/**
 * Yields the entries until the end of the file, or the signal, because a pipe may never end.
 *
 * @throws Error with the file and the line, if a line cannot be read.
 */
export async function* recorded(
  path: string,
  filter: WatchFilter,
  show: ShowOptions,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  const passes = entryFilter(filter)
  const input: Readable = addAbortSignal(signal, path === '-' ? process.stdin : createReadStream(path))
  let number = 0
  for await (const text of linesOf(input)) {
    const where = `${path}:${++number}`
    const entry = text.trim() === '' ? null : read(text, where)
    if (entry !== null && passes(entry)) yield isEvent(entry) ? shown(entry, show) : entry
  }
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    yield* lines
    if (rest.length > LINE_MAX) throw new Error(`not a recording: line longer than ${LINE_MAX} characters`)
  }
  yield rest
}

/** Returns a predicate over entries, to be called with each, in order. An entry that is no event always passes. */
export function entryFilter(filter: WatchFilter): (entry: Entry) => boolean {
  const { ancestor, container, ...rest } = filter
  const { matches } = compileFilter(rest)
  const isInContainer = containerMatcher(container)
  const descendants = ancestor === undefined ? null : new RecordedDescendants(ancestor)
  return (entry) => {
    if (!isEvent(entry)) return true
    const belongs = descendants === null || descendants.has(entry)
    return belongs && (matches === null || matches(filterSubject(entry))) && isInContainer(entry)
  }
}

/** Matches the part of a filter that the monitor does not apply. */
export function containerMatcher(container: WatchFilter['container']): (entry: EventEntry) => boolean {
  if (container === undefined) return () => true
  if (typeof container === 'string') return ({ containerId }) => containerId?.startsWith(container) === true
  return ({ containerId }) => containerId !== null && container.test(containerId)
}

/** Finds the descendants of a process from recorded forks and parents. */
class RecordedDescendants {
  readonly #ancestor: number
  readonly #pids = new Set<number>()

  constructor(ancestor: number) {
    this.#ancestor = ancestor
  }

  has({ type, pid, ppid }: EventEntry): boolean {
    // A fork begins a new process, even if the exit of the earlier one was not recorded.
    if (type === 'fork') this.#pids.delete(pid)
    const isDescendant = this.#pids.has(pid) || ppid === this.#ancestor || (ppid !== null && this.#pids.has(ppid))
    if (type === 'exit') this.#pids.delete(pid)
    else if (isDescendant) this.#pids.add(pid)
    return isDescendant
  }
}

function filterSubject({ name, exe, argv, uid, cgroup }: EventEntry): FilterSubject {
  return { name, exe, cwd: null, commandLine: argv?.join(' ') ?? null, uid, cgroup }
}

function read(text: string, where: string): Entry | null {
  try {
    return readEntry(text)
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

function shown(entry: EventEntry, { args }: ShowOptions): EventEntry {
  if (args === 'shown' || entry.argv === null) return entry
  return { ...entry, argv: args === 'hidden' ? null : redact(entry.argv) }
}
