/** Ends a run at the first of these: it is done, a signal, a failure. */

export class Shutdown {
  /** Rejects after a failure. */
  readonly reached: Promise<void>
  /** The signal that ended the run; null: none. */
  signal: NodeJS.Signals | null = null
  isReached = false
  end!: () => void
  fail!: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  readonly #interrupted = (signal: NodeJS.Signals): void => {
    // The terminal has printed ^C at the beginning of the line.
    if (signal === 'SIGINT' && process.stderr.isTTY) process.stderr.write('\r')
    this.signal = signal
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

  /** Restores the default action of signals, because the rest of the output may never be read. */
  release(): void {
    clearTimeout(this.#timer)
    for (const signal of SIGNALS) process.off(signal, this.#interrupted)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
