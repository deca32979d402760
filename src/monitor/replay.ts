/** What one subscription is told, and when, while the processes already running are being reported to it alone. */
import type { ProcessEvent } from '../api/event-types.js'
import { EXIT, type Reading } from '../native/record-view.js'

/**
 * Live execs wait until every process that is running has been reported, so that those come first; but where more is
 * told of a process, its exec goes ahead, so that nobody hears of a process's exit before its exec. What waits is one
 * exec of each process that is running, at most.
 */
export class Replay {
  readonly #tell: (event: ProcessEvent) => void
  /** By pid, the exec that waits; null where it was told already. */
  readonly #execs = new Map<number, ProcessEvent | null>()

  constructor(tell: (event: ProcessEvent) => void) {
    this.#tell = tell
  }

  /** Any live record, before anybody is told of it. */
  precede(reading: Reading): void {
    const { pid } = reading
    const waiting = this.#execs.get(pid)
    if (waiting === undefined) return
    if (reading.kind === EXIT) this.#execs.delete(pid)
    else this.#execs.set(pid, null)
    if (waiting !== null) this.#tell(waiting)
  }

  /** A live exec that the subscription is to be told of. */
  hold(event: ProcessEvent): void {
    this.#execs.set(event.pid, event)
  }

  /** A process that the scan has found running and that passes the filter. */
  found(event: ProcessEvent): void {
    if (!this.#execs.has(event.pid)) this.#tell(event)
  }

  /** Every process that was running has been reported. */
  finish(): void {
    for (const event of this.#execs.values()) if (event !== null) this.#tell(event)
    this.#execs.clear()
  }
}
