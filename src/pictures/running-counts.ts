/** Counts the processes that run at once. */
import type { Bar } from './timeline.js'

export interface RunningCount {
  /** The count holds from this time on. */
  readonly ns: number
  readonly running: number
}

/**
 * Returns how many processes run, in the order of their times. If there are more counts than `most`, those that are too
 * close to be told apart are merged, and the highest one is kept.
 */
export function runningCounts(bars: readonly Bar[], most: number): readonly RunningCount[] {
  const steps = bars.flatMap(({ startNs, endNs }) => [[startNs, 1] as const, [endNs, -1] as const])
  steps.sort(([a], [b]) => a - b)
  let running = 0
  const counts: RunningCount[] = []
  for (const [ns, step] of steps) {
    running += step
    if (counts.at(-1)?.ns === ns) counts.pop()
    counts.push({ ns, running })
  }
  return counts.length <= most ? counts : thinned(counts, most)
}

/** Keeps the highest count of each interval, and the last count. */
function thinned(counts: readonly RunningCount[], most: number): readonly RunningCount[] {
  const [firstNs, lastNs] = [counts[0]!.ns, counts.at(-1)!.ns]
  const intervalOf = ({ ns }: RunningCount): number => Math.floor(((ns - firstNs) / (lastNs - firstNs)) * (most - 2))
  const kept: RunningCount[] = []
  let interval = -1
  for (const count of counts) {
    const latest = kept.at(-1)
    if (latest === undefined || intervalOf(count) !== interval) kept.push(count)
    else if (count.running > latest.running) kept[kept.length - 1] = { ns: latest.ns, running: count.running }
    interval = intervalOf(count)
  }
  return [...kept, counts.at(-1)!]
}
