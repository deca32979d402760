/** First in, first out, at a cost that does not grow with what waits. */
export class Queue<T> {
  /** What came, in its order; and of what came before that, what is still here, the other way round. */
  #in: T[] = []
  #out: T[] = []

  get length(): number {
    return this.#in.length + this.#out.length
  }

  push(item: T): void {
    this.#in.push(item)
  }

  /** The one that has waited longest; undefined where none waits. */
  shift(): T | undefined {
    if (this.#out.length === 0 && this.#in.length > 0) {
      this.#out = this.#in.toReversed()
      this.#in = []
    }
    return this.#out.pop()
  }

  /** Drops all, and gives them in their order. */
  clear(): T[] {
    const all = [...this.#out.toReversed(), ...this.#in]
    this.#in = []
    this.#out = []
    return all
  }
}
