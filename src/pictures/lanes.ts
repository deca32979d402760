/** Places bars on lanes, so that the bars of a lane nest strictly: one contains the other, or they do not overlap. */
import { programOf } from './names.js'
import type { Bar } from './timeline.js'

/** A part of a bar in which its process ran one program. */
export interface Segment {
  readonly name: string
  readonly startNs: number
  readonly endNs: number
}

export interface Placed {
  readonly bar: Bar
  readonly lane: number
  /** Bars around it on its lane. */
  readonly level: number
  /** Empty if the process ran one program only. */
  readonly segments: readonly Segment[]
}

export interface Lanes {
  /** In the order of the bars. */
  readonly placed: readonly Placed[]
  /** For each lane, how many bars nest on it at most. */
  readonly heights: readonly number[]
  /** Bars for which no lane was free. */
  readonly unplaced: number
}

interface Lane {
  /** The bars that contain each other at the current time, the outermost first. */
  readonly open: Placed[]
  height: number
}

/** More lanes than this cannot be read. */
const LANES_MAX = 200

/**
 * Puts a bar on the lane of its parent, if it ends within the program that the parent runs and nothing else is in the way.
 * Otherwise it takes the next free lane. Bars must be in the order of `Timeline.bars`.
 */
export function lanesOf(bars: readonly Bar[], most: number = LANES_MAX): Lanes {
  const lanes: Lane[] = []
  const laneOf = new Map<Bar, number>()
  const placed: Placed[] = []
  for (const bar of bars) {
    const home = bar.parent === null ? undefined : laneOf.get(bar.parent)
    const at = home !== undefined && fitsInto(lanes[home]!, bar) ? home : freeLane(lanes, (home ?? -1) + 1, bar, most)
    if (at === null) continue
    const lane = (lanes[at] ??= { open: [], height: 0 })
    const one = { bar, lane: at, level: lane.open.length, segments: segmentsOf(bar) }
    lane.open.push(one)
    lane.height = Math.max(lane.height, lane.open.length)
    laneOf.set(bar, at)
    placed.push(one)
  }
  return { placed, heights: lanes.map(({ height }) => height), unplaced: bars.length - placed.length }
}

/** Returns true if the parent is the innermost bar of its lane, and the child ends within the parent's program. */
function fitsInto(lane: Lane, child: Bar): boolean {
  close(lane, child.startNs)
  const innermost = lane.open.at(-1)
  if (innermost?.bar !== child.parent || innermost === undefined) return false
  const { segments, bar } = innermost
  const program = segments.find(({ startNs, endNs }) => startNs <= child.startNs && child.startNs < endNs)
  return child.endNs <= (segments.length === 0 ? bar.endNs : (program?.endNs ?? -Infinity))
}

/** Returns the first lane without an open bar from `from` on, then a new one, then an earlier one; null: none is left. */
function freeLane(lanes: readonly Lane[], from: number, bar: Bar, most: number): number | null {
  const isFree = (lane: Lane): boolean => {
    close(lane, bar.startNs)
    return lane.open.length === 0
  }
  for (let at = from; at < lanes.length; at++) if (isFree(lanes[at]!)) return at
  if (lanes.length < most) return lanes.length
  for (let at = 0; at < from; at++) if (isFree(lanes[at]!)) return at
  return null
}

/** Removes the bars that have ended. */
function close({ open }: Lane, ns: number): void {
  while (open.length > 0 && open.at(-1)!.bar.endNs <= ns) open.pop()
}

/** Returns the parts of a process that replaced its program: the copy of its parent, and then each program. */
function segmentsOf({ node, startNs, endNs }: Bar): readonly Segment[] {
  const { execs } = node
  if (execs.length < 2) return []
  // Each begins after the one before, even if the clocks of a snapshot and of the kernel differ.
  const starts: number[] = []
  for (const { timestampNs } of execs) starts.push(Math.min(Math.max(timestampNs, starts.at(-1) ?? startNs), endNs))
  const programs = execs.map((exec, index): Segment => {
    const name = index === execs.length - 1 && node.omittedExecs > 0 ? `… ${programOf(exec)}` : programOf(exec)
    return { name, startNs: starts[index]!, endNs: starts[index + 1] ?? endNs }
  })
  const first: Segment = { name: 'fork', startNs, endNs: starts[0]! }
  return [first, ...programs].filter((segment) => segment.endNs > segment.startNs)
}
