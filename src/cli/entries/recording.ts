/** Reads entries from a recording, and applies the same filters as for live ones. */
import { redactSecrets } from '../../redact/redact-secrets.js'
import { createReadStream } from 'node:fs'
import { type Readable, addAbortSignal } from 'node:stream'
import type { ShowOptions, WatchFilter } from '../flags/args.js'
import { type Entry, type EventEntry, isEvent } from './entry.js'
import { entryFilter } from './filters.js'
import { readEntry } from './ndjson.js'

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

function read(text: string, where: string): Entry | null {
  try {
    return readEntry(text)
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

function shown(entry: EventEntry, { args }: ShowOptions): EventEntry {
  if (args === 'shown' || entry.argv === null) return entry
  return { ...entry, argv: args === 'hidden' ? null : redactSecrets(entry.argv) }
}
