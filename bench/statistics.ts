/** Statistics of a few measurements. */

/** The median, the minimum and the maximum. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Returns the quantile `share`, interpolated between two neighbours. NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** Returns the spread of the values. NaN values are ignored. */
export function spread(values: readonly number[]): Spread {
  const known = values.filter((value) => !Number.isNaN(value))
  return { median: quantile(known, 0.5), least: quantile(known, 0), most: quantile(known, 1) }
}

/** Returns the median of each figure of several runs. */
export function medians(runs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(names.map((name) => [name, spread(runs.map((run) => run[name] ?? Number.NaN)).median]))
}

/** Repeats a measurement. Resolves with the median of each figure. */
export async function repeatedly(
  times: number,
  measure: () => Promise<Readonly<Record<string, number>>>,
): Promise<Record<string, number>> {
  const runs: Readonly<Record<string, number>>[] = []
  for (let done = 0; done < times; done++) runs.push(await measure())
  return medians(runs)
}
