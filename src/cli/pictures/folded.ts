/** Folded stacks: a line for each chain of programs, with a sum, for flame graphs. */
import { labelOf, programAt } from '../../pictures/names.js'
import type { Bar, Timeline } from '../../pictures/timeline.js'
import { printable } from '../../recording/text.js'
import type { RunOptions } from '../flags/args.js'

/** Programs of a stack. Of a deeper one, the innermost are kept. */
const DEPTH_MAX = 200

/** @throws Error if no CPU time is known. */
export function foldedStacks({ bars, hasUsage, outcome }: Timeline, weight: RunOptions['weight']): string {
  if (weight === 'cpu' && !hasUsage) throw new Error('--weight: no CPU time is known of these processes')
  const sums = new Map<string, number>()
  for (const bar of bars) {
    const us = Math.round((weight === 'cpu' ? (bar.node.end?.usage?.cpuNs ?? 0) : ownTimeNs(bar)) / 1000)
    if (us === 0) continue
    const stack = stackOf(bar, outcome.command.length === 0)
    sums.set(stack, (sums.get(stack) ?? 0) + us)
  }
  return [...sums].map(([stack, us]) => `${stack} ${us}\n`).join('')
}

/** Returns the programs from the outermost to that of the process. In a recording, roots have parents that are not in it. */
function stackOf(bar: Bar, isRecording: boolean): string {
  const frames = [labelOf(bar.node)]
  let at = bar
  while (at.parent !== null && frames.length < DEPTH_MAX) {
    frames.push(programAt(at.parent.node, at.startNs))
    at = at.parent
  }
  const { parentName } = at.node
  if (isRecording && at.parent === null && parentName !== null) frames.push(parentName)
  return frames
    .toReversed()
    .map((frame) => printable(frame).replaceAll(';', ':'))
    .join(';')
}

/** Returns the time in which the process ran and none of its children did. */
function ownTimeNs({ startNs, endNs, children }: Bar): number {
  let own = endNs - startNs
  let coveredNs = startNs
  for (const child of children.toSorted((a, b) => a.startNs - b.startNs)) {
    const [from, to] = [Math.max(child.startNs, coveredNs), Math.min(child.endNs, endNs)]
    if (to <= from) continue
    own -= to - from
    coveredNs = to
  }
  return own
}
