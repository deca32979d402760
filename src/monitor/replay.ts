/** What one subscription is told, and when, while the processes already running are being reported to it alone. */
import type { ProcessEvent } from '../api/event-types.js'
import { EXIT, type RecordView } from '../native/record-view.js'

/**
 * Live execs wait until every process that is running has been reported, so that those come first; but where more is
 * told of a process, its exec goes ahead, so that nobody hears of a process's exit before its exec. What waits is one
 * exec of each process that is running, at most.
 */
export class Replay {
  readonly #deliver: (event: ProcessEvent) => void
  /** By pid, the exec that waits; null where it was told already. */
  readonly #execs = new Map<number, ProcessEvent | null>()

  constructor(deliver: (event: ProcessEvent) => void) {
    this.#deliver = deliver
  }

  /** Any live record, before anybody is told of it. */
  flushPending(record: RecordView): void {
    const { pid } = record
    const waiting = this.#execs.get(pid)
    if (waiting === undefined) return
    if (record.kind === EXIT) this.#execs.delete(pid)
    else this.#execs.set(pid, null)
    if (waiting !== null) this.#deliver(waiting)
  }

  /** A live exec that the subscription is to be told of. */
  hold(event: ProcessEvent): void {
    this.#execs.set(event.pid, event)
  }

  /** A process that the scan has found running and that passes the filter. */
  onFound(event: ProcessEvent): void {
    if (!this.#execs.has(event.pid)) this.#deliver(event)
  }

  /** Every process that was running has been reported. */
  finish(): void {
    for (const event of this.#execs.values()) if (event !== null) this.#deliver(event)
    this.#execs.clear()
  }
}
