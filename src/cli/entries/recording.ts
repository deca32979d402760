/** Reads entries from a recording, or from the report of `run`, and applies the same filters as for live ones. */
import { redactSecrets } from '../../redact/redact-secrets.js'
import { createReadStream, existsSync } from 'node:fs'
import { type Readable, addAbortSignal } from 'node:stream'
import type { ShowOptions, WatchFilter } from '../flags/args.js'
import { type Entry, type EventEntry, isEvent } from '../../recording/entry.js'
import { entryFilter } from './filters.js'
import { rotatedFiles } from '../output/rotating-file.js'
import { toEntry } from '../../recording/ndjson.js'
import { type RunEntry, entriesOfRun, isRun } from '../../recording/run-entry.js'

/** The longest line, in characters: several times the longest report of `run`. */
const LINE_MAX = 2 ** 27

/**
 * Yields the entries until the end of the file, or the signal, because a pipe may never end. `onRun` gets each report of
 * `run` after its entries.
 *
 * @throws Error with the file and the line, if a line cannot be read.
 */
export async function* recorded(
  path: string,
  filter: WatchFilter,
  show: ShowOptions,
  signal: AbortSignal,
  onRun: (run: RunEntry) => void = () => {},
): AsyncGenerator<Entry> {
  const passes = entryFilter(filter)
  for (const file of filesOf(path)) {
    const input: Readable = addAbortSignal(signal, file === '-' ? process.stdin : createReadStream(file))
    let number = 0
    for await (const text of linesOf(input)) {
      const where = `${file}:${++number}`
      if (text.trim() === '') continue
      for (const entry of read(text, where, onRun)) {
        if (passes(entry)) yield isEvent(entry) ? shown(entry, show) : entry
      }
    }
  }
}

/** Returns the files of a recording, those that `--rotate` has renamed first. */
function filesOf(path: string): string[] {
  const earlier = path === '-' ? [] : rotatedFiles(path)
  return earlier.length > 0 && !existsSync(path) ? earlier : [...earlier, path]
}

async function* linesOf(input: Readable): AsyncGenerator<string> {
  // A long line is joined once, at its end.
  let pieces: string[] = []
  let length = 0
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const [first, ...others] = chunk.split('\n') as [string, ...string[]]
    pieces.push(first)
    length += first.length
    if (others.length > 0) {
      yield pieces.join('')
      const last = others.pop()!
      yield* others
      pieces = [last]
      length = last.length
    }
    if (length > LINE_MAX) throw new Error(`not a recording: line longer than ${LINE_MAX} characters`)
  }
  yield pieces.join('')
}

/** Yields the entries of a line: those of a report, one, or none. */
function* read(text: string, where: string, onRun: (run: RunEntry) => void): Generator<Entry> {
  try {
    const value: unknown = JSON.parse(text)
    if (isRun(value)) {
      yield* entriesOfRun(value)
      onRun(value)
    } else {
      const entry = toEntry(value)
      if (entry !== null) yield entry
    }
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

function shown(entry: EventEntry, { args }: ShowOptions): EventEntry {
  if (args === 'shown' || entry.argv === null) return entry
  return { ...entry, argv: args === 'hidden' ? null : redactSecrets(entry.argv) }
}
