/** Converts the kernel's monotonic time to the time of day. */

/** Reads both clocks at one moment, in milliseconds. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** Milliseconds that the clocks may drift apart before they are compared again. Larger than the error of a reading. */
const TOLERANCE_MS = 20

export class WallClock {
  readonly #now: () => Moment
  /** The difference between the clocks, in milliseconds. */
  #offset: number

  constructor(now: () => Moment = moment) {
    this.#now = now
    this.#offset = offset(now())
  }

  /**
   * Follows the time of day where it is set, or the machine slept; otherwise keeps to one offset, so that events are as
   * far apart as they were.
   */
  timeOf(timestampNs: number): Date {
    const current = offset(this.#now())
    if (Math.abs(current - this.#offset) > TOLERANCE_MS) this.#offset = current
    return new Date(this.#offset + timestampNs / 1e6)
  }
}

function offset({ wall, monotonic }: Moment): number {
  return wall - monotonic
}

function moment(): Moment {
  return { wall: Date.now(), monotonic: Number(process.hrtime.bigint()) / 1e6 }
}
