/** What a handful of measurements come to. */

/** The middle one, and how far the others are from it. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** The value that `share` of all are not above; the mean of two neighbours where it falls between them. NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** What cannot be told of a run (NaN) is left out. */
export function spread(values: readonly number[]): Spread {
  const known = values.filter((value) => !Number.isNaN(value))
  return { median: quantile(known, 0.5), least: quantile(known, 0), most: quantile(known, 1) }
}
