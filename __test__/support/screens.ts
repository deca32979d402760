/**
 * The expected screens of each view of the command, on one recording. `node __test__/support/screens.ts` writes screens/ again.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { isEvent } from '../../dist/src/recording/entry.js'
import { jsonLine, readEntry } from '../../dist/src/recording/ndjson.js'
import { ProcessTree } from '../../dist/src/pictures/process-tree.js'
import type { Layout } from '../../dist/src/cli/output/text.js'
import { Lines } from '../../dist/src/cli/views/lines.js'
import { Report } from '../../dist/src/cli/views/report.js'
import { Summary } from '../../dist/src/cli/views/summary.js'
import { Top } from '../../dist/src/cli/views/top.js'
import { Tree } from '../../dist/src/cli/views/tree.js'
import { JsonLines, type Stream } from '../../dist/src/cli/views/view.js'

// The views print the local time of day.
process.env['TZ'] = 'UTC'

export const recording: string = new URL('recording.ndjson', import.meta.url).pathname
export const text: string = readFileSync(recording, 'utf8')
const entries = text
  .trimEnd()
  .split('\n')
  .map((line) => readEntry(line)!)
const shown = entries.filter((entry) => entry.type !== 'fork')
const elapsedMs = (entries.at(-1)!.timestampNs - entries[0]!.timestampNs) / 1e6

const plain = (columns: number): Layout => ({ columns, colors: false })
const pipe = plain(Infinity)

function stream(view: Stream, layout: Layout, of = shown): string[] {
  return [...view.header(layout), ...of.flatMap((entry) => view.add(entry, layout))]
}

function summary(): Summary {
  const it = new Summary()
  for (const entry of shown) it.add(entry)
  return it
}

/** The view of top while the last shells still run. */
function top(): { top: Top; nowNs: number } {
  const it = new Top()
  const seen = shown.filter((entry) => entry.timestampNs < entries[0]!.timestampNs + 0.2e9)
  for (const entry of seen) it.add(entry)
  return { top: it, nowNs: entries[0]!.timestampNs + 2e9 }
}

function frame(columns: number, rows: number, colors = false): readonly string[] {
  const { top: it, nowNs } = top()
  return it.frame(nowNs, { columns, colors, rows })
}

const outcome = { command: ['bash', 'script'], exitCode: 0, signal: null, lost: 17 }
function report(): Report {
  const it = new Report(new ProcessTree())
  const root = {
    ...entries.find(isEvent)!,
    ppid: 999,
    pid: 1000,
    parentName: 'node',
    type: 'exec',
    name: 'bash',
  } as const
  it.tree.add({ ...root, argv: ['bash', 'script'] })
  for (const entry of entries) it.tree.add(entry)
  return it
}

export const screens: { readonly [name: string]: () => readonly string[] } = {
  'lines-80.txt': () => stream(new Lines(), plain(80)),
  'lines-200.txt': () => stream(new Lines(), plain(200)),
  'lines-pipe.txt': () => stream(new Lines(), pipe).slice(1),
  'lines-colors.txt': () => stream(new Lines(), { columns: 80, colors: true }),
  'tree-80.txt': () => stream(new Tree(), plain(80), entries),
  'tree-200.txt': () => stream(new Tree(), plain(200), entries),
  'summary-80.txt': () => summary().toLines(elapsedMs, 5, plain(80)),
  'summary.json': () => [jsonLine(summary().toObject(elapsedMs))],
  'top-80.txt': () => frame(80, 24),
  'top-200.txt': () => frame(200, 24),
  'top-tiny.txt': () => frame(12, 3),
  'top.json': () => [jsonLine(top().top.toObject(top().nowNs))],
  'run-80.txt': () => report().lines(outcome, plain(80)),
  'run-200.txt': () => report().lines(outcome, plain(200)),
  'run.json': () => [jsonLine(report().toObject(outcome))],
  'json.ndjson': () => stream(new JsonLines(), pipe, entries),
}

export function fileOf(name: string): URL {
  return new URL(`screens/${name}`, import.meta.url)
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, lines] of Object.entries(screens)) {
    if (name !== 'json.ndjson') writeFileSync(fileOf(name), `${lines().join('\n')}\n`)
  }
}
