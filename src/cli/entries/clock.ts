/** The present time, as entries carry it. */

/** Returns the time of day in ISO 8601, and nanoseconds on the clock of the events. */
export function now(): { time: string; timestampNs: number } {
  return { time: new Date().toISOString(), timestampNs: Number(process.hrtime.bigint()) }
}
