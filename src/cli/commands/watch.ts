/** The default command: shows live events, or a recording, in a view. */
import { findDeletedProcesses } from '../../native/binding.js'
import { now } from '../entries/clock.js'
import { type EndEntry, type Entry, type HeartbeatEntry, isEvent } from '../../recording/entry.js'
import { containerMatcher } from '../entries/filters.js'
import { LiveEntries } from '../entries/live.js'
import { recorded } from '../entries/recording.js'
import { selector } from '../entries/selection.js'
import type { WatchFilter, WatchOptions } from '../flags/args.js'
import type { OutputFile } from '../flags/stream.js'
import { LineNumbers, NUMBER_MAX } from '../output/line-numbers.js'
import { LossAccount } from '../output/loss-account.js'
import { Output } from '../output/output.js'
import { RotatingFile } from '../output/rotating-file.js'
import { MetricsServer } from '../output/metrics-server.js'
import { type CommandFigures, metricsText } from '../output/metrics-text.js'
import { type Presenter, counts, createPresenter, isWanted, skippedEntry, summaryText } from '../output/present.js'
import { Shutdown } from '../shutdown.js'
import { Summary } from '../views/summary.js'
import { isNews } from '../views/view.js'

/** A source of entries. */
interface EntrySource {
  /** Resolves at the end of a recording, or once live events are set up. */
  run(show: (entry: Entry) => void, view: Presenter, shutdown: Shutdown): Promise<void>
  stop(): Promise<void>
  /** Returns the last entry, if the end adds one. */
  rest(summary: Summary): Entry | null
  /** Returns the entry for the end of a recording, unless the source has its own. */
  end(lost: number, lostOutput: number): EndEntry | null
  /** Returns a heartbeat of this moment; null for a recording. `output`: the figures of the output. */
  heartbeat(output: Pick<HeartbeatEntry, 'lostOutput' | 'heldBytes'>): HeartbeatEntry | null
  /** Returns the metrics of this moment. */
  metrics(figures: CommandFigures): string
  /** Milliseconds that the events span; null before the start. */
  readonly elapsedMs: number | null
  /** The current time on the clock of the entries. */
  readonly nowNs: number
}

/** Resolves at the end. Rejects if the source could not start, or failed. */
export async function watch(options: WatchOptions, notify: (text: string) => void): Promise<void> {
  const { stdout, stdin, stderr } = process
  const numbers = isStream(options) ? new LineNumbers() : null
  const file = options.output === undefined ? null : openFile(options.output, numbers, notify)
  const shutdown = new Shutdown()
  const summary = new Summary()
  const source: EntrySource =
    options.replay === undefined ? new LiveSource(options) : new RecordingSource(options, options.replay)
  const output = new Output(file ?? stdout, {
    heldMax: options.bufferBytes,
    onSkipped: (lines) => {
      for (const loss of losses.take()) show(loss)
      show(skippedEntry(lines, now()))
    },
    ...(numbers === null ? {} : { complete: (line: string) => numbers.add(line), completionMax: NUMBER_MAX }),
  })
  const losses = new LossAccount()
  const isSelected = selector(options)
  const view = createPresenter(options, {
    stdout,
    stdin,
    output,
    summary,
    nowNs: () => source.nowNs,
    quit: shutdown.end,
  })
  let left = options.count ?? Infinity

  function show(entry: Entry): void {
    if (!isWanted(entry, options) || !isSelected(entry) || (left === 0 && isEvent(entry))) return
    if (entry.type === 'loss' && output.isSkipping) return losses.add(entry)
    summary.add(entry)
    view.add(entry)
    if (counts(entry, options) && --left === 0) shutdown.end()
  }

  const beat = (): void => {
    const entry = source.heartbeat({ lostOutput: output.skipped, heldBytes: output.heldBytes })
    // A sign of life is of no use when it is late.
    if (entry !== null && !output.isSkipping) show(entry)
  }
  const heartbeat = options.heartbeatMs === undefined ? undefined : setInterval(beat, options.heartbeatMs)

  const metrics = options.metrics === undefined ? null : new MetricsServer(() => source.metrics(figuresOf(output)))

  output.closed.then(shutdown.end, shutdown.fail)
  try {
    await metrics?.listen(options.metrics!)
    await Promise.race([source.run(show, view, shutdown), shutdown.reached])
    await shutdown.reached
  } finally {
    const { elapsedMs } = source
    shutdown.release()
    clearInterval(heartbeat)
    metrics?.close()
    await source.stop()
    if (elapsedMs !== null) {
      // What was skipped must be told before the end.
      if (output.isSkipping) await output.end()
      const rest = source.rest(summary)
      if (rest !== null) show(rest)
      const end = source.end(summary.lost, output.skipped)
      if (end !== null) show(end)
      await view.end(elapsedMs)
      await file?.close()
      if (output.open && options.view !== 'summary') {
        stderr.write(summaryText(summary, elapsedMs, !options.json, stderr))
      }
    }
  }
}

function openFile(options: OutputFile, numbers: LineNumbers | null, notify: (text: string) => void): RotatingFile {
  const { path } = options
  return new RotatingFile(options, {
    header: () => numbers?.first ?? null,
    onTrouble: (error) =>
      notify(error === null ? `${path}: written again` : `${path}: ${error.message}. Lines wait, and are then skipped`),
  })
}

function figuresOf(output: Output): CommandFigures {
  const { user, system } = process.cpuUsage()
  const [cpuSeconds, rssBytes] = [(user + system) / 1e6, process.memoryUsage.rss()]
  return { lines: output.lines, skippedLines: output.skipped, heldBytes: output.heldBytes, cpuSeconds, rssBytes }
}

/** Returns true if the output is a stream of JSON with numbered lines. A recording keeps its own numbers. */
function isStream({ json, view, replay }: WatchOptions): boolean {
  return json && (view === 'lines' || view === 'tree') && replay === undefined
}

class LiveSource implements EntrySource {
  readonly #options: WatchOptions
  #live: LiveEntries | null = null
  #started: number | null = null

  constructor(options: WatchOptions) {
    this.#options = options
  }

  async run(show: (entry: Entry) => void, view: Presenter, shutdown: Shutdown): Promise<void> {
    const { types, view: kind, filter, durationMs, sample } = this.#options
    refuseExited(filter)
    const isInContainer = containerMatcher(filter.container)
    const begin = (): void => {
      if (this.#started !== null) return
      this.#started = performance.now()
      show(this.#live!.startEntry())
    }
    const onEntry = (entry: Entry): void => {
      // The first entry may arrive before the start is complete.
      if (isNews(entry)) begin()
      if (!isEvent(entry) || isInContainer(entry)) show(entry)
    }
    const all = kind === 'tree' ? [...new Set([...types, 'fork' as const])] : types
    const needsCgroup = filter.container !== undefined
    const needsUsage = this.#options.usage || kind === 'summary' || kind === 'top'
    const latencyMs = latencyFor(this.#options)
    const wanted = { types: all, filter, show: this.#options, latencyMs, needsCgroup, needsUsage, sample }
    this.#live = new LiveEntries(wanted, onEntry, shutdown.fail)
    await this.#live.start()
    begin()
    view.begin()
    if (durationMs !== undefined) shutdown.endAfter(durationMs)
  }

  async stop(): Promise<void> {
    await this.#live?.stop()
  }

  metrics(figures: CommandFigures): string {
    return this.#live === null ? '' : metricsText(this.#live.stats, figures)
  }

  end(lost: number, lostOutput: number): EndEntry {
    return { type: 'end', ...now(), lost, lostOutput }
  }

  heartbeat(output: Pick<HeartbeatEntry, 'lostOutput' | 'heldBytes'>): HeartbeatEntry | null {
    // The start comes first.
    return this.#started === null ? null : this.#live!.heartbeat(output)
  }

  rest(summary: Summary): Entry | null {
    return this.#live?.unreported(summary.lost) ?? null
  }

  get elapsedMs(): number | null {
    return this.#started === null ? null : performance.now() - this.#started
  }

  get nowNs(): number {
    return Number(process.hrtime.bigint())
  }
}

/** Returns the time that an event may wait, in milliseconds. A person who reads lines does not notice 20. */
function latencyFor({ view, json }: WatchOptions): number {
  const isLive = (view === 'lines' || view === 'tree') && !json && process.stdout.isTTY
  return isLive ? 20 : 100
}

/** @throws Error if a process that a filter names is not running, because the filter would never match. */
function refuseExited({ pid = [], ancestor = [] }: WatchFilter): void {
  for (const [option, pids] of [
    ['--pid', pid],
    ['--descendants-of', ancestor],
  ] as const) {
    if (pids.length === 0) continue
    const [exited] = findDeletedProcesses(new Set(pids))
    if (exited !== undefined) throw new Error(`${option}: no process ${exited} is running`)
  }
}

class RecordingSource implements EntrySource {
  readonly #options: WatchOptions
  readonly #path: string
  readonly #stopped = new AbortController()
  #firstNs: number | null = null
  #hasBegun = false
  nowNs = 0

  constructor(options: WatchOptions, path: string) {
    this.#options = options
    this.#path = path
  }

  async run(show: (entry: Entry) => void, view: Presenter, shutdown: Shutdown): Promise<void> {
    const { filter, durationMs = Infinity } = this.#options
    for await (const entry of recorded(this.#path, filter, this.#options, this.#stopped.signal)) {
      this.#firstNs ??= entry.timestampNs
      if (shutdown.isReached || entry.timestampNs - this.#firstNs > durationMs * 1e6) break
      this.nowNs = entry.timestampNs
      this.#begin(view)
      show(entry)
      await view.room()
    }
    this.#begin(view)
    shutdown.end()
  }

  /** Begins once the file is readable. */
  #begin(view: Presenter): void {
    if (!this.#hasBegun) view.begin()
    this.#hasBegun = true
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
  }

  end(): null {
    return null
  }

  heartbeat(): null {
    return null
  }

  metrics(): string {
    return ''
  }

  rest(): null {
    return null
  }

  get elapsedMs(): number | null {
    return this.#hasBegun ? (this.nowNs - (this.#firstNs ?? this.nowNs)) / 1e6 : null
  }
}
