// The clock of the observers in JavaScript.

/** Returns the start of `performance.now()` on CLOCK_MONOTONIC, in nanoseconds, early by the time of a call. */
function startOfClock() {
  return Number(process.hrtime.bigint()) - performance.now() * 1e6
}

// The first calls take a millisecond, so that the differences vary. The one with the shortest delay is the greatest.
const start = Math.max(...Array.from({ length: 100 }, startOfClock))

/** Returns the time on CLOCK_MONOTONIC, in nanoseconds. Makes no object, so that V8 need not remove any. */
export const now = () => start + performance.now() * 1e6
