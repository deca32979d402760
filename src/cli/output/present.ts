/** How entries reach the user: by which view, and where to. */
import type { ReadStream, WriteStream } from 'node:tty'
import type { WatchOptions } from '../flags/args.js'
import { type Entry, type LossEntry, isEvent } from '../entries/entry.js'
import { jsonLine } from '../entries/ndjson.js'
import { type Output, wantsColors } from './output.js'
import { Screen } from './screen.js'
import type { Layout } from './text.js'
import { Lines } from '../views/lines.js'
import type { Summary } from '../views/summary.js'
import { Top } from '../views/top.js'
import { Tree } from '../views/tree.js'
import { JsonLines, type Screenful, type Stream, isNews } from '../views/view.js'

export interface Presentation {
  /** It is certain that there will be something to see. */
  begin(): void
  add(entry: Entry): void
  /** Resolves when there is room for more. */
  room(): Promise<void>
  /** Resolves when all has been written. `elapsedMs` is the time that the events are from. */
  end(elapsedMs: number): Promise<void>
}

export interface Surroundings {
  readonly stdout: WriteStream
  readonly stdin: ReadStream
  readonly output: Output
  readonly summary: Summary
  /** On the clock of the entries. */
  readonly nowNs: () => number
  readonly quit: () => void
}

/** Programs and parents that the summary lists. */
const LISTED = { asked: 40, atTheEnd: 10 }

export function present(options: WatchOptions, around: Surroundings): Presentation {
  const { stdout, output } = around
  switch (options.view) {
    case 'summary':
      return new SummaryAtTheEnd(options, around)
    case 'top':
      return new Refreshed(new Top(options.types.includes('exit')), options, around)
    default: {
      const view = options.json ? new JsonLines() : options.view === 'tree' ? new Tree() : new Lines()
      return new Streamed(view, stdout, output)
    }
  }
}

/** The summary for the end of any run. */
export function summaryText(summary: Summary, elapsedMs: number, isWhole: boolean, stream: WriteStream): string {
  const lines = isWhole ? summary.toLines(elapsedMs, LISTED.atTheEnd, layoutOf(stream)) : [summary.headline(elapsedMs)]
  return `${lines.join('\n')}\n`
}

/** Asked anew each time, as a window changes; some terminals say 0 where they do not know. */
export function layoutOf(stream: WriteStream): Layout {
  return { columns: (stream.isTTY && stream.columns) || Infinity, colors: wantsColors(stream, process.env) }
}

class Streamed implements Presentation {
  readonly #view: Stream
  readonly #stdout: WriteStream
  readonly #output: Output
  #hasBegun = false

  constructor(view: Stream, stdout: WriteStream, output: Output) {
    this.#view = view
    this.#stdout = stdout
    this.#output = output
  }

  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    if (this.#stdout.isTTY) this.#write(this.#view.header(layoutOf(this.#stdout)))
  }

  add(entry: Entry): void {
    const lines = this.#view.add(entry, layoutOf(this.#stdout))
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

class SummaryAtTheEnd implements Presentation {
  readonly #isJson: boolean
  readonly #around: Surroundings

  constructor({ json }: WatchOptions, around: Surroundings) {
    this.#isJson = json
    this.#around = around
  }

  begin(): void {}
  add(): void {}
  async room(): Promise<void> {}

  async end(elapsedMs: number): Promise<void> {
    const { summary, output, stdout } = this.#around
    const lines = this.#isJson
      ? [jsonLine(summary.toObject(elapsedMs))]
      : summary.toLines(elapsedMs, LISTED.asked, layoutOf(stdout))
    for (const line of lines) output.line(line)
    await output.end()
  }
}

class Refreshed implements Presentation {
  readonly #view: Screenful
  readonly #options: WatchOptions
  readonly #around: Surroundings
  readonly #screen: Screen | null
  #timer: NodeJS.Timeout | undefined

  constructor(view: Screenful, options: WatchOptions, around: Surroundings) {
    this.#view = view
    this.#options = options
    this.#around = around
    const { stdout, stdin, quit } = around
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
    // A recording is shown as it stands at its end.
    if (this.#options.replay !== undefined) this.#show()
    await this.#around.output.end()
  }

  #show(): void {
    const { stdout, output, nowNs } = this.#around
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

/** Lines that the output had to skip, as a loss. */
export function skippedEntry(lines: number, now: { time: string; timestampNs: number }): LossEntry {
  return { type: 'loss', ...now, cause: 'output', lost: lines, recoveredExecs: 0, recoveredExits: 0 }
}

/** Whether an entry is one of the events that were asked for. */
export function isWanted(entry: Entry, { types, view }: WatchOptions): boolean {
  if (!isEvent(entry)) return true
  return types.includes(entry.type) || (view === 'tree' && entry.type === 'fork')
}

/** Whether it counts for --count. */
export function counts(entry: Entry, { types }: WatchOptions): boolean {
  return isEvent(entry) && isNews(entry) && types.includes(entry.type)
}
