/** The time of day at which the kernel's monotonic clock showed a given number. */

/** Milliseconds, of both clocks at one moment. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** Milliseconds that the clocks may drift apart before they are compared anew; above what a reading itself is off by. */
const TOLERANCE_MS = 20

export class WallClock {
  readonly #now: () => Moment
  /** From the monotonic clock to the time of day, in milliseconds. */
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
