/** Orders the events of one subscription while the running processes are being reported to it. */
import type { ProcessEvent } from '../api/event-types.js'
import { EXIT, type RecordView } from '../native/record-view.js'

/**
 * Live execs wait until every running process has been reported, so that running processes come first. If a further event of
 * a process arrives, its pending exec is delivered first, so that an exit never precedes its exec. At most one exec of each
 * running process waits.
 */
export class Replay {
  readonly #deliver: (event: ProcessEvent) => void
  /** The pending execs by pid. null: it has been delivered. */
  readonly #execs = new Map<number, ProcessEvent | null>()

  constructor(deliver: (event: ProcessEvent) => void) {
    this.#deliver = deliver
  }

  /** Delivers the pending exec of a live record's process. To be called before the record is dispatched. */
  flushPending(record: RecordView): void {
    const { pid } = record
    const pending = this.#execs.get(pid)
    if (pending === undefined) return
    if (record.kind === EXIT) this.#execs.delete(pid)
    else this.#execs.set(pid, null)
    if (pending !== null) this.#deliver(pending)
  }

  /** Keeps a live exec that matches the subscription. */
  hold(event: ProcessEvent): void {
    this.#execs.set(event.pid, event)
  }

  /** Handles a process that the scan has found and that passes the filter. */
  onFound(event: ProcessEvent): void {
    if (!this.#execs.has(event.pid)) this.#deliver(event)
  }

  /** Delivers the pending execs: every running process has been reported. */
  finish(): void {
    for (const event of this.#execs.values()) if (event !== null) this.#deliver(event)
    this.#execs.clear()
  }
}
