/** The default command: shows live events, or a recording, in a view. */
import { findDeletedProcesses } from '../../native/binding.js'
import { now } from '../entries/clock.js'
import { type EndEntry, type Entry, isEvent } from '../../recording/entry.js'
import { containerMatcher } from '../entries/filters.js'
import { LiveEntries } from '../entries/live.js'
import { recorded } from '../entries/recording.js'
import type { WatchFilter, WatchOptions } from '../flags/args.js'
import { Output } from '../output/output.js'
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
  end(lost: number): EndEntry | null
  /** Milliseconds that the events span; null before the start. */
  readonly elapsedMs: number | null
  /** The current time on the clock of the entries. */
  readonly nowNs: number
}

/** Resolves at the end. Rejects if the source could not start, or failed. */
export async function watch(options: WatchOptions): Promise<void> {
  const { stdout, stdin, stderr } = process
  const shutdown = new Shutdown()
  const summary = new Summary()
  const source: EntrySource =
    options.replay === undefined ? new LiveSource(options) : new RecordingSource(options, options.replay)
  const output = new Output(stdout, { onSkipped: (lines) => show(skippedEntry(lines, now())) })
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
    if (!isWanted(entry, options) || (left === 0 && isEvent(entry))) return
    summary.add(entry)
    view.add(entry)
    if (counts(entry, options) && --left === 0) shutdown.end()
  }

  output.closed.then(shutdown.end, shutdown.fail)
  try {
    await Promise.race([source.run(show, view, shutdown), shutdown.reached])
    await shutdown.reached
  } finally {
    const { elapsedMs } = source
    shutdown.release()
    await source.stop()
    if (elapsedMs !== null) {
      const rest = source.rest(summary)
      if (rest !== null) show(rest)
      const end = source.end(summary.lost)
      if (end !== null) show(end)
      await view.end(elapsedMs)
      if (output.open && options.view !== 'summary') {
        stderr.write(summaryText(summary, elapsedMs, !options.json, stderr))
      }
    }
  }
}

class LiveSource implements EntrySource {
  readonly #options: WatchOptions
  #live: LiveEntries | null = null
  #started: number | null = null

  constructor(options: WatchOptions) {
    this.#options = options
  }

  async run(show: (entry: Entry) => void, view: Presenter, shutdown: Shutdown): Promise<void> {
    const { types, view: kind, filter, durationMs } = this.#options
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
    const wanted = { types: all, filter, show: this.#options, latencyMs, needsCgroup, needsUsage }
    this.#live = new LiveEntries(wanted, onEntry, shutdown.fail)
    await this.#live.start()
    begin()
    view.begin()
    if (durationMs !== undefined) shutdown.endAfter(durationMs)
  }

  async stop(): Promise<void> {
    await this.#live?.stop()
  }

  end(lost: number): EndEntry {
    return { type: 'end', ...now(), lost }
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

  rest(): null {
    return null
  }

  get elapsedMs(): number | null {
    return this.#hasBegun ? (this.nowNs - (this.#firstNs ?? this.nowNs)) / 1e6 : null
  }
}
