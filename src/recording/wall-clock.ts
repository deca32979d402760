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

/** The last second, and its text up to the point of the fraction. */
let [second, secondText] = [NaN, '']

/** Returns the time of day in ISO 8601, like `Date.prototype.toISOString`. Events of one second share most of the text. */
export function isoTime(timeMs: number): string {
  const whole = Math.floor(timeMs / 1000)
  const ms = Math.trunc(timeMs) - whole * 1000
  if (!(ms >= 0 && timeMs >= 0)) return new Date(timeMs).toISOString()
  if (whole !== second) [second, secondText] = [whole, new Date(whole * 1000).toISOString().slice(0, -4)]
  return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}
