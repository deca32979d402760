/** A first-in, first-out queue with constant amortized cost. */
export class Queue<T> {
  /** Newer items, in order. */
  #in: T[] = []
  /** Older items, in reverse order, so that `pop` returns the oldest. */
  #out: T[] = []

  get length(): number {
    return this.#in.length + this.#out.length
  }

  push(item: T): void {
    this.#in.push(item)
  }

  /** Removes and returns the oldest item. undefined: the queue is empty. */
  shift(): T | undefined {
    if (this.#out.length === 0 && this.#in.length > 0) {
      this.#out = this.#in.toReversed()
      this.#in = []
    }
    return this.#out.pop()
  }

  /** Removes and returns all items, in order. */
  clear(): T[] {
    const all = [...this.#out.toReversed(), ...this.#in]
    this.#in = []
    this.#out = []
    return all
  }
}
