/** The present time, as entries carry it. */

/** Returns the time of day in ISO 8601 and in nanoseconds, and nanoseconds on the clock of the events. */
export function now(): { time: string; timestampNs: number; timeNs: string } {
  const ms = Date.now()
  return { time: new Date(ms).toISOString(), timestampNs: Number(process.hrtime.bigint()), timeNs: `${ms}000000` }
}
