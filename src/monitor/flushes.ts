/** The pending promises of `flush`. */
import { type ProcessMonitorError, stoppedError } from '../api/errors.js'
import { type Deferred, deferred } from '../native/session.js'
import type { StopListener } from './event-stream.js'

/** One promise of a flush. */
export interface Flush {
  /** The id of the request to the native part. */
  readonly id: number
  readonly promise: Promise<void>
}

export class Flushes implements StopListener {
  readonly #pending = new Map<number, Deferred>()
  #lastId = 0

  get size(): number {
    return this.#pending.size
  }

  /** Returns a new promise. The caller still has to send the request. */
  begin(): Flush {
    const pending = deferred()
    this.#pending.set(++this.#lastId, pending)
    return { id: this.#lastId, promise: pending.promise }
  }

  isPending(id: number): boolean {
    return this.#pending.has(id)
  }

  /** Handles the answer of the native part. */
  onFlushed(id: number): void {
    this.#take(id)?.resolve()
  }

  /** Handles the failure of a request that was not sent. */
  reject(id: number, error: ProcessMonitorError): void {
    this.#take(id)?.reject(error)
  }

  onMonitorEnd(failure: ProcessMonitorError | null): void {
    for (const id of this.#pending.keys()) this.reject(id, failure ?? stoppedError())
  }

  #take(id: number): Deferred | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }
}
