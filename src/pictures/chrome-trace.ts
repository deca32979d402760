/** Draws processes as a trace in the Trace Event Format, which Perfetto, speedscope and chrome://tracing open. */
import { checkFinite } from '../api/errors.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import { commandOf } from '../recording/words.js'
import { excerpt } from '../recording/text.js'
import { type TraceEntry, entriesOf } from './entries.js'
import { type Placed, type Segment, lanesOf } from './lanes.js'
import { commandLineOf, endingOf, hasFailed, labelOf } from './names.js'
import { treeOf } from './process-tree.js'
import { runningCounts } from './running-counts.js'
import { type Bar, type Timeline, timelineOf } from './timeline.js'

/** Options of {@link toChromeTrace}. */
export interface ChromeTraceOptions {
  /** The shortest lifetime that is shown, in milliseconds. Default: 0. Ancestors of processes shown are shown, too. */
  readonly minDurationMs?: number | undefined
}

/** A trace. Write it with `JSON.stringify` to a file that is named `*.trace.json`. */
export interface ChromeTrace {
  /** The unit that viewers show. */
  readonly displayTimeUnit: 'ms'
  /** Where and when the trace was made, and how much it does not show. */
  readonly otherData: Readonly<Record<string, string | number | null>>
  /** The events of the trace. */
  readonly traceEvents: readonly ChromeTraceEvent[]
}

/** An event in the Trace Event Format. */
export interface ChromeTraceEvent {
  /** `X`: a slice. `M`: a name. `C`: a counter. `s` and `f`: an arrow. `i`: a moment. */
  readonly ph: 'X' | 'M' | 'C' | 's' | 'f' | 'i'
  /** The text of the event. */
  readonly name: string
  /** The group of lanes: always 1. */
  readonly pid: 1
  /** The lane, from 1 on. It is no thread: processes that do not overlap share a lane. */
  readonly tid?: number
  /** Microseconds since the first process began. */
  readonly ts?: number
  /** The length of a slice, in microseconds. */
  readonly dur?: number
  /** The kind of the event: `process`, `program`, `fork`, `loss`; `failed` for a process that failed. */
  readonly cat?: string
  /** The number that both ends of an arrow have. */
  readonly id?: number
  /** The end of an arrow belongs to the slice around it. */
  readonly bp?: 'e'
  /** The scope of a moment: the whole trace. */
  readonly s?: 'g'
  /** The colour in chrome://tracing. */
  readonly cname?: string
  /** The details that viewers show. */
  readonly args?: Readonly<Record<string, unknown>>
}

const OPTIONS: KnownKeys<ChromeTraceOptions> = { minDurationMs: true }

/** Characters of a command line in a slice. */
const COMMAND_MAX = 1000
/** Points of the counter of running processes. */
const COUNTS_MAX = 5000

/**
 * Draws processes as a trace that [Perfetto](https://ui.perfetto.dev), [speedscope](https://www.speedscope.app) and
 * `chrome://tracing` open. It takes events, as a callback or an iterator received them, or the objects of a recording, or
 * the one object of `proc-events run --json`. Entries must be in the order of their times.
 *
 * Slices of a lane nest strictly. A child is on the lane of its parent if it ends within it. Otherwise it is on the next
 * free lane, and an arrow shows its parent. At most 20,000 processes are drawn, the failed and the longest ones.
 *
 * ```ts
 * const events: ProcessEvent[] = []
 * const options = { ancestor: process.pid, capture: ['name', 'argv'] } as const
 * for (const type of ['fork', 'exec', 'exit'] as const) monitor.subscribe(type, (_, event) => events.push(event), options)
 * await build()
 * await monitor.flush()
 * writeFileSync('build.trace.json', JSON.stringify(toChromeTrace(events)))
 * ```
 *
 * @param entries - events, or parsed lines of `proc-events --json`. Objects of other types are ignored.
 * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE` for an argument that is not as typed.
 */
export function toChromeTrace(entries: Iterable<TraceEntry>, options: ChromeTraceOptions = {}): ChromeTrace {
  checkOptionsObject(options, OPTIONS)
  const { minDurationMs = 0 } = options
  checkFinite('options.minDurationMs', minDurationMs)
  const tree = treeOf(entriesOf(entries))
  const outcome = { command: [], exitCode: null, signal: null, lost: tree.lost }
  return chromeTraceOf(timelineOf(tree, outcome, { minDurationNs: minDurationMs * 1e6 }))
}

export function chromeTraceOf(timeline: Timeline): ChromeTrace {
  const { tree, outcome, startNs, bars, hidden } = timeline
  const { placed, heights, unplaced } = lanesOf(bars)
  const us = microsecondsSince(startNs)
  const traceEvents: ChromeTraceEvent[] = [
    { ph: 'M', pid: 1, name: 'process_name', args: { name: titleOf(timeline) } },
    ...heights.flatMap((_, lane) => laneNames(lane)),
    ...slices(placed, us),
    ...tree.losses.map((loss): ChromeTraceEvent => ({
      ph: 'i',
      s: 'g',
      cat: 'loss',
      name: `${loss.lost} events lost`,
      pid: 1,
      tid: 1,
      ts: us(Math.max(loss.timestampNs, startNs)),
      args: { cause: loss.cause, recoveredExecs: loss.recoveredExecs, recoveredExits: loss.recoveredExits },
    })),
    ...counts(bars, us),
  ]
  const { version = null, host = null, bootId = null, source = null, time = null } = tree.start ?? {}
  const where = { tool: 'proc-events', version, host, bootId, source, recorded: time, clock: 'CLOCK_MONOTONIC' }
  const missing = { lost: outcome.lost, notDrawn: hidden + unplaced }
  return { displayTimeUnit: 'ms', otherData: { ...where, startNs, ...missing }, traceEvents }
}

/** Returns the command line: of the command, or of the only process without a parent; or else the machine. */
export function titleOf({ tree, outcome }: Timeline): string {
  if (outcome.command.length > 0) return excerpt(commandOf({ argv: outcome.command }), COMMAND_MAX)
  const [root, another] = tree.roots
  const rootCommand = root === undefined || another !== undefined ? null : commandLineOf(root, COMMAND_MAX)
  if (rootCommand !== null) return rootCommand
  const host = tree.start?.host ?? null
  return host === null ? 'processes' : `processes of ${host}`
}

/** Whole microseconds keep the order of times, and all readers calculate exactly with them. */
function microsecondsSince(startNs: number): (ns: number) => number {
  return (ns) => Math.floor((ns - startNs) / 1000)
}

function laneNames(lane: number): ChromeTraceEvent[] {
  const tid = lane + 1
  return [
    { ph: 'M', pid: 1, tid, name: 'thread_name', args: { name: `lane ${tid}` } },
    { ph: 'M', pid: 1, tid, name: 'thread_sort_index', args: { sort_index: lane } },
  ]
}

function* slices(placed: readonly Placed[], us: (ns: number) => number): Generator<ChromeTraceEvent> {
  const numberOf = new Map<Bar, { readonly lane: number; readonly arrow: number }>()
  for (const [arrow, { bar, lane }] of placed.entries()) numberOf.set(bar, { lane, arrow })
  const slice = ({ startNs, endNs }: Bar | Segment): { ts: number; dur: number } => ({
    ts: us(startNs),
    dur: us(endNs) - us(startNs),
  })
  for (const [arrow, { bar, lane, segments }] of placed.entries()) {
    const tid = lane + 1
    const failed = hasFailed(bar.node) ? { cname: 'terrible' } : {}
    const cat = hasFailed(bar.node) ? 'process,failed' : 'process'
    yield { ph: 'X', cat, name: labelOf(bar.node), pid: 1, tid, ...slice(bar), ...failed, args: argsOf(bar) }
    // An arrow belongs to the slice that began last on its lane, so that both of its ends follow their slice.
    const parent = bar.parent === null ? undefined : numberOf.get(bar.parent)
    const own = { cat: 'fork', name: 'fork', pid: 1, tid, ts: us(bar.startNs) } as const
    if (parent !== undefined && parent.lane !== lane) yield { ph: 'f', bp: 'e', id: arrow, ...own }
    for (const child of bar.children) {
      const there = numberOf.get(child)
      if (there !== undefined && there.lane !== lane) yield { ph: 's', id: there.arrow, ...own }
    }
    for (const segment of segments) {
      yield { ph: 'X', cat: 'program', name: segment.name, pid: 1, tid, ...slice(segment) }
    }
  }
}

/** Returns the details of a process. Unknown ones are absent. */
function argsOf({ node }: Bar): Record<string, unknown> {
  const { pid, ppid, user, execs, end, forked, parentName } = node
  const last = execs.at(-1)
  const usage = end?.usage ?? {}
  const args = {
    pid,
    ppid,
    parent: parentName,
    user,
    ended: endingOf(node),
    exitCode: end?.exitCode,
    signal: end?.signal,
    command: commandLineOf(node, COMMAND_MAX),
    exe: last?.exe,
    cwd: last?.cwd,
    start: forked ? null : 'its first exec: the fork is unknown',
    ...usage,
  }
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null && value !== undefined))
}

function counts(bars: readonly Bar[], us: (ns: number) => number): ChromeTraceEvent[] {
  return runningCounts(bars, COUNTS_MAX).map(({ ns, running }) => ({
    ph: 'C',
    name: 'running processes',
    pid: 1,
    ts: us(ns),
    args: { running },
  }))
}
