/** The live view: subscribes, prints each exec and exit as it is told, and ends when it is to. */
import type { ExecEvent, ExitEvent } from '../event-types.js'
import { getProcessMonitor } from '../monitor.js'
import type { LossReport, SubscribeOptions } from '../types.js'
import type { WatchOptions } from './args.js'
import { WallClock } from './clock.js'
import { eventLine, headerLine, type Layout } from './lines.js'
import { jsonLine } from './ndjson.js'
import { describe } from './outcome.js'
import { Output, wantsColors } from './output.js'
import { Summary, plural } from './summary.js'

/** What decides how an event looks. */
interface View {
  readonly header: string | null
  line(event: ExecEvent | ExitEvent, time: Date): string
}

/** Resolves when it is over; rejects where it could not begin, or broke off. `tell` is for all that is no event. */
export async function watch(options: WatchOptions, tell: (text: string) => void): Promise<void> {
  const { stdout } = process
  const monitor = getProcessMonitor()
  const clock = new WallClock()
  const summary = new Summary()
  const view = options.json ? jsonView() : linesView()
  const output = new Output(stdout, {
    onSkipped: (lines) => note(`${plural(lines, 'line')} skipped: what reads the output is slower than the events`),
  })

  /** Where it belongs among the lines, if both end up on one terminal. */
  function note(text: string): void {
    output.flush()
    tell(text)
  }

  let begun = false
  /** Not before it is certain that there will be something to see. */
  function begin(): void {
    if (!begun && view.header !== null) output.line(view.header)
    begun = true
  }

  function show(_pid: number, event: ExecEvent | ExitEvent): void {
    // Those that were running before are no news.
    if (event.origin === 'bootstrap') return
    summary.add(event)
    begin()
    output.line(view.line(event, clock.timeOf(event.timestampNs)))
  }

  const wanted: SubscribeOptions = options.name === undefined ? {} : { name: options.name }
  monitor.subscribeExec(show, { ...wanted, capture: ['name', 'ppid'] })
  monitor.subscribeExit(show, wanted)
  monitor.on('loss', (report) => note(lossText(report)))
  monitor.on('restart', (error) => note(`reading from the kernel failed and was taken up again: ${describe(error)}`))

  const ending = new Ending()
  monitor.on('error', (error) => ending.fail(error))
  output.closed.then(ending.end, ending.fail)

  let started: number | null = null
  try {
    await Promise.race([monitor.initialize(), ending.reached])
    started = performance.now()
    begin()
    if (options.durationMs !== undefined) ending.endAfter(options.durationMs)
    await ending.reached
  } finally {
    const elapsed = started === null ? 0 : performance.now() - started
    ending.release()
    await monitor.stop()
    await output.end()
    if (started !== null && output.open) {
      const { lostSocket, lostQueue } = monitor.stats()
      process.stderr.write(`${summary.toLine(elapsed, lostSocket + lostQueue, output.skipped)}\n`)
    }
  }
}

/** The first of what ends a run. */
class Ending {
  readonly reached: Promise<void>
  end!: () => void
  fail!: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  readonly #interrupted = (): void => {
    // The terminal has put ^C where the next line is to begin.
    if (process.stderr.isTTY) process.stderr.write('\r')
    this.end()
  }

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.end = resolve
      this.fail = reject
    })
    process.once('SIGINT', this.#interrupted)
    process.once('SIGTERM', this.end)
  }

  endAfter(ms: number): void {
    this.#timer = setTimeout(this.end, ms)
  }

  /** From here on a signal kills, as it does by nature: what is still to be written may never be read. */
  release(): void {
    clearTimeout(this.#timer)
    process.off('SIGINT', this.#interrupted)
    process.off('SIGTERM', this.end)
  }
}

function linesView(): View {
  const { stdout } = process
  const colors = wantsColors(stdout, process.env)
  // Asked anew each time, as a window changes; some terminals say 0 where they do not know.
  const layout = (): Layout => ({ columns: (stdout.isTTY && stdout.columns) || Infinity, colors })
  return {
    header: stdout.isTTY ? headerLine(layout()) : null,
    line: (event, time) => eventLine(event, time, layout()),
  }
}

function jsonView(): View {
  return { header: null, line: jsonLine }
}

function lossText({ cause, lost, recoveredExecs, recoveredExits }: LossReport): string {
  const by = cause === 'socket' ? "the kernel's socket" : 'the queue to JavaScript'
  const recovered = `${plural(recoveredExecs, 'exec')} and ${plural(recoveredExits, 'exit')} were recovered from /proc`
  return `${plural(lost, 'event')} lost by ${by}; ${recovered}`
}
