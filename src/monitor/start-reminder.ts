/** Notices that a program has subscribed and has forgotten `initialize()`, which would otherwise be silent. */
import { warnOfMissingStart } from './warnings.js'

/** The milliseconds between the first subscription and the warning. */
const DELAY_MS = 5_000

/**
 * Warns once, after a delay or when Node.js is about to end, if there are subscriptions and `initialize()` was never called.
 * It has a timer and a listener only while that is so.
 */
export class StartReminder {
  #subscriptions = 0
  #isNeeded = true
  #timer: NodeJS.Timeout | null = null
  readonly #warn = (): void => {
    this.disable()
    warnOfMissingStart()
  }

  onSubscribe(): void {
    this.#subscriptions++
    if (!this.#isNeeded || this.#timer !== null) return
    this.#timer = setTimeout(this.#warn, DELAY_MS).unref()
    process.once('beforeExit', this.#warn)
  }

  onUnsubscribe(): void {
    if (--this.#subscriptions === 0) this.#disarm()
  }

  /** Ends the reminder for good, because the monitor has been started or the warning has been emitted. */
  disable(): void {
    this.#isNeeded = false
    this.#disarm()
  }

  #disarm(): void {
    if (this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
    process.off('beforeExit', this.#warn)
  }
}
