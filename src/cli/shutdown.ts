/** What ends a run: that it is done, a signal, a failure; the first of them. */

export class Shutdown {
  /** Rejects where it was a failure. */
  readonly reached: Promise<void>
  /** By signal, not because it was done. */
  wasInterrupted = false
  isReached = false
  end!: () => void
  fail!: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  readonly #interrupted = (signal: NodeJS.Signals): void => {
    // The terminal has put ^C where the next line is to begin.
    if (signal === 'SIGINT' && process.stderr.isTTY) process.stderr.write('\r')
    this.wasInterrupted = true
    this.end()
  }

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.end = () => {
        this.isReached = true
        resolve()
      }
      this.fail = (error) => {
        this.isReached = true
        reject(error)
      }
    })
    // A caller that awaits it still gets the rejection.
    this.reached.catch(() => {})
    for (const signal of SIGNALS) process.once(signal, this.#interrupted)
  }

  endAfter(ms: number): void {
    this.#timer = setTimeout(this.end, ms)
  }

  /** From here on a signal kills, as it does by nature: what is still to be written may never be read. */
  release(): void {
    clearTimeout(this.#timer)
    for (const signal of SIGNALS) process.off(signal, this.#interrupted)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
