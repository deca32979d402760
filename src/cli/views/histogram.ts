/** A histogram of durations, with an error below three percent. */

/** The ratio of the widths of two adjacent buckets. */
const GROWTH = 1.06

export class Histogram {
  readonly #buckets = new Map<number, number>()
  #count = 0
  #least = Infinity
  #most = 0

  add(ns: number): void {
    const bucket = Math.floor(Math.log(Math.max(ns, 1)) / Math.log(GROWTH))
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
    this.#count++
    this.#least = Math.min(this.#least, ns)
    this.#most = Math.max(this.#most, ns)
  }

  /** Returns the quantile; null without values. */
  quantile(part: number): number | null {
    if (this.#count === 0) return null
    let left = Math.ceil(part * this.#count)
    for (const bucket of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      left -= this.#buckets.get(bucket)!
      if (left <= 0) return Math.round(Math.min(Math.max(GROWTH ** (bucket + 0.5), this.#least), this.#most))
    }
    return this.#most
  }
}
