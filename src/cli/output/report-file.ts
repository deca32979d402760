/** Writes the report of `run` in its format. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { chromeTraceOf } from '../../pictures/chrome-trace.js'
import type { ProcessTree } from '../../pictures/process-tree.js'
import { type CommandOutcome, timelineOf } from '../../pictures/timeline.js'
import { jsonLine } from '../../recording/ndjson.js'
import type { RunOptions } from '../flags/args.js'
import { foldedStacks } from '../pictures/folded.js'
import { htmlPage } from '../pictures/html.js'
import { markdown } from '../pictures/markdown.js'
import { Report } from '../views/report.js'
import { print } from './output.js'
import { layoutOf } from './present.js'
import type { Layout } from './text.js'

export class ReportFile {
  readonly #options: RunOptions
  readonly #file: number | null

  /** @throws Error if the file cannot be opened. */
  constructor(options: RunOptions) {
    const { output } = options
    this.#options = options
    this.#file = output === undefined ? null : openSync(output, isStepSummary(output) ? 'a' : 'w')
  }

  /** Resolves when the report is written. */
  async write(tree: ProcessTree, outcome: CommandOutcome): Promise<void> {
    // The output of the command is its own.
    const stream = 'replay' in this.#options.target ? process.stdout : process.stderr
    const layout = this.#file === null ? layoutOf(stream) : { columns: Infinity, colors: false }
    for (const text of textsOf(tree, outcome, this.#options, layout)) {
      if (this.#file === null) await print(stream, text)
      else writeFileSync(this.#file, text)
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
  }
}

/** GitHub shows the file that this variable names. Several steps may write to it. */
function isStepSummary(path: string): boolean {
  const { GITHUB_STEP_SUMMARY: summary } = process.env
  return summary !== undefined && summary !== '' && resolve(path) === resolve(summary)
}

/** Yields the parts of the report. */
function* textsOf(
  tree: ProcessTree,
  outcome: CommandOutcome,
  { format, sort, minDurationMs, weight, totals }: RunOptions,
  layout: Layout,
): Generator<string> {
  const minDurationNs = minDurationMs * 1e6
  const order = { sort, minDurationNs }
  const report = new Report(tree)
  const timeline = () => timelineOf(tree, outcome, { minDurationNs })
  switch (format) {
    case 'tree':
      yield `${report.lines(outcome, layout, order).join('\n')}\n`
      if (totals) yield `${report.totals(outcome, layout, order).join('\n')}\n`
      break
    case 'json':
      yield `${jsonLine(report.toObject(outcome, order))}\n`
      break
    case 'trace':
      yield* traceTexts(chromeTraceOf(timeline()))
      break
    case 'html':
      yield htmlPage(timeline())
      break
    case 'folded':
      yield foldedStacks(timeline(), weight)
      break
    case 'markdown':
      yield markdown(timeline())
  }
}

/** Yields JSON with one event a line. */
function* traceTexts({ traceEvents, ...rest }: ReturnType<typeof chromeTraceOf>): Generator<string> {
  const head = jsonLine(rest).slice(0, -1)
  for (let at = 0; at < traceEvents.length; at += BATCH) {
    const lines = traceEvents.slice(at, at + BATCH).map((event) => jsonLine(event))
    yield `${at === 0 ? `${head},"traceEvents":[\n` : ',\n'}${lines.join(',\n')}`
  }
  yield '\n]}\n'
}

/** Events that are written at once. */
const BATCH = 10_000
