/** Checks a trace: slices of a lane nest strictly, and each arrow has two ends. */

export interface TraceProblems {
  readonly crossing: number
  readonly unpaired: number
  readonly slices: number
  readonly lanes: number
}

export function checkTrace(events: readonly any[]): TraceProblems {
  const lanes = new Map<number, any[]>()
  const ends = new Map<number, string[]>()
  for (const event of events) {
    if (event.ph !== 'M' && !(event.ts >= 0 && Number.isInteger(event.ts))) throw new Error(JSON.stringify(event))
    if (event.ph === 'X') {
      if (!(event.dur >= 0 && Number.isInteger(event.dur))) throw new Error(JSON.stringify(event))
      if (!lanes.has(event.tid)) lanes.set(event.tid, [])
      lanes.get(event.tid)!.push(event)
    } else if (event.ph === 's' || event.ph === 'f') {
      if (!ends.has(event.id)) ends.set(event.id, [])
      ends.get(event.id)!.push(event.ph)
    }
  }
  let crossing = 0
  for (const slices of lanes.values()) {
    // The sort is stable: of equal slices, the first one contains the second one.
    slices.sort((a, b) => a.ts - b.ts || b.dur - a.dur)
    const open: number[] = []
    for (const { ts, dur } of slices) {
      while (open.length > 0 && open.at(-1)! <= ts) open.pop()
      if (open.length > 0 && ts + dur > open.at(-1)!) crossing++
      open.push(ts + dur)
    }
  }
  const unpaired = [...ends.values()].filter((phases) => phases.toSorted().join('') !== 'fs').length
  const slices = events.filter(({ ph, cat }) => ph === 'X' && cat !== 'program').length
  return { crossing, unpaired, slices, lanes: lanes.size }
}
