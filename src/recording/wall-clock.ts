/** The time of day of moments on the monotonic clock, in nanoseconds. */

/**
 * Keeps the distance of the time of day from the monotonic clock, so that two events are as far apart in `timeNs` as in
 * `timestampNs`. It follows when the time of day is adjusted by more than two microseconds.
 */
export class WallClock {
  /** Microseconds from the monotonic clock to the time of day. */
  #offsetUs = NaN

  /** Returns nanoseconds since the Unix epoch, as digits. `timeMs`: that moment, precise to a microsecond. */
  timeNs(timeMs: number, timestampNs: number): string {
    const us = Math.floor(timestampNs / 1000)
    const offsetUs = Math.round(timeMs * 1000) - us
    if (!(Math.abs(offsetUs - this.#offsetUs) <= 2)) this.#offsetUs = offsetUs
    return digits(this.#offsetUs + us, timestampNs - us * 1000)
  }
}

/** Returns nanoseconds since the Unix epoch, precise to a microsecond. */
export function timeNsOf(timeMs: number, timestampNs: number): string {
  return new WallClock().timeNs(timeMs, timestampNs)
}

function digits(us: number, ns: number): string {
  const rest = Math.trunc(ns)
  return `${us}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}
