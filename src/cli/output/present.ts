/** Connects a view with its target: stdout, a screen, or the summary. */
import type { ReadStream, WriteStream } from 'node:tty'
import { type Entry, type LossEntry, isEvent } from '../../recording/entry.js'
import { jsonLine } from '../../recording/ndjson.js'
import type { WatchOptions } from '../flags/args.js'
import { Lines } from '../views/lines.js'
import type { Summary } from '../views/summary.js'
import { Top } from '../views/top.js'
import { Tree } from '../views/tree.js'
import { JsonLines, type Screenful, type Stream, isNews } from '../views/view.js'
import { type Output, wantsColors } from './output.js'
import { Screen } from './screen.js'
import type { Layout } from './text.js'

export interface Presenter {
  /** Called when the source has started. */
  begin(): void
  add(entry: Entry): void
  /** Resolves when there is room for more. */
  room(): Promise<void>
  /** Resolves when all has been written. `elapsedMs` is the time that the events are from. */
  end(elapsedMs: number): Promise<void>
}

export interface PresenterContext {
  readonly stdout: WriteStream
  readonly stdin: ReadStream
  readonly output: Output
  readonly summary: Summary
  /** The current time on the clock of the entries. */
  readonly nowNs: () => number
  readonly quit: () => void
}

/** Programs and parents that the summary lists. */
const LISTED = { asked: 40, atTheEnd: 10 }

export function createPresenter(options: WatchOptions, context: PresenterContext): Presenter {
  const { stdout, output } = context
  switch (options.view) {
    case 'summary':
      return new SummaryPresenter(options, context)
    case 'top':
      return new ScreenPresenter(new Top(options.types.includes('exit')), options, context)
    default: {
      const view = options.json
        ? new JsonLines()
        : options.view === 'tree'
          ? new Tree(options.usage)
          : new Lines(options.usage)
      return new StreamPresenter(view, stdout, output)
    }
  }
}

/** The summary for the end of any run. */
export function summaryText(summary: Summary, elapsedMs: number, isWhole: boolean, stream: WriteStream): string {
  const lines = isWhole ? summary.toLines(elapsedMs, LISTED.atTheEnd, layoutOf(stream)) : [summary.headline(elapsedMs)]
  return `${lines.join('\n')}\n`
}

/** Read anew each time, because windows change. Some terminals report 0 if the width is unknown. */
export function layoutOf(stream: WriteStream): Layout {
  return { columns: (stream.isTTY && stream.columns) || Infinity, colors: wantsColors(stream, process.env) }
}

class StreamPresenter implements Presenter {
  readonly #view: Stream
  readonly #stdout: WriteStream
  readonly #output: Output
  /** null: it changes with the window. */
  readonly #layout: Layout | null
  #hasBegun = false

  constructor(view: Stream, stdout: WriteStream, output: Output) {
    this.#view = view
    this.#stdout = stdout
    this.#output = output
    this.#layout = stdout.isTTY ? null : layoutOf(stdout)
  }

  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    if (this.#stdout.isTTY) this.#write(this.#view.header(layoutOf(this.#stdout)))
  }

  add(entry: Entry): void {
    const lines = this.#view.add(entry, this.#layout ?? layoutOf(this.#stdout))
    if (lines.length === 0) return
    this.begin()
    this.#write(lines)
  }

  room(): Promise<void> {
    return this.#output.room()
  }

  end(): Promise<void> {
    return this.#output.end()
  }

  #write(lines: readonly string[]): void {
    for (const line of lines) this.#output.line(line)
  }
}

class SummaryPresenter implements Presenter {
  readonly #isJson: boolean
  readonly #context: PresenterContext

  constructor({ json }: WatchOptions, context: PresenterContext) {
    this.#isJson = json
    this.#context = context
  }

  begin(): void {}
  add(): void {}
  async room(): Promise<void> {}

  async end(elapsedMs: number): Promise<void> {
    const { summary, output, stdout } = this.#context
    const lines = this.#isJson
      ? [jsonLine(summary.toObject(elapsedMs))]
      : summary.toLines(elapsedMs, LISTED.asked, layoutOf(stdout))
    for (const line of lines) output.line(line)
    await output.end()
  }
}

class ScreenPresenter implements Presenter {
  readonly #view: Screenful
  readonly #options: WatchOptions
  readonly #context: PresenterContext
  readonly #screen: Screen | null
  #timer: NodeJS.Timeout | undefined

  constructor(view: Screenful, options: WatchOptions, context: PresenterContext) {
    this.#view = view
    this.#options = options
    this.#context = context
    const { stdout, stdin, quit } = context
    const redraw = (): void => this.#show()
    const isDrawn = stdout.isTTY && !options.json && options.replay === undefined
    this.#screen = isDrawn ? new Screen(stdout, stdin, { redraw, quit }) : null
  }

  begin(): void {
    if (this.#timer !== undefined || this.#options.replay !== undefined) return
    this.#screen?.open()
    this.#show()
    this.#timer = setInterval(() => this.#show(), this.#options.intervalMs)
  }

  add(entry: Entry): void {
    this.#view.add(entry)
  }

  async room(): Promise<void> {}

  async end(): Promise<void> {
    clearInterval(this.#timer)
    this.#screen?.close()
    // A recording is shown in its final state.
    if (this.#options.replay !== undefined) this.#show()
    await this.#context.output.end()
  }

  #show(): void {
    const { stdout, output, nowNs } = this.#context
    const layout = layoutOf(stdout)
    if (this.#options.json) {
      output.line(jsonLine(this.#view.toObject(nowNs())))
    } else if (this.#screen === null) {
      for (const line of this.#view.frame(nowNs(), { ...layout, rows: Infinity })) output.line(line)
    } else {
      const { columns, rows } = this.#screen
      this.#screen.draw(this.#view.frame(nowNs(), { ...layout, columns, rows }))
    }
  }
}

/** Returns the lines that the output skipped, as a loss. */
export function skippedEntry(lines: number, now: { time: string; timestampNs: number }): LossEntry {
  return { type: 'loss', ...now, cause: 'output', lost: lines, recoveredExecs: 0, recoveredExits: 0 }
}

/** Returns true if the entry is to be shown. */
export function isWanted(entry: Entry, { types, view }: WatchOptions): boolean {
  if (!isEvent(entry)) return true
  return types.includes(entry.type) || (view === 'tree' && entry.type === 'fork')
}

/** Returns true if the entry counts for --count. */
export function counts(entry: Entry, { types }: WatchOptions): boolean {
  return isEvent(entry) && isNews(entry) && types.includes(entry.type)
}
