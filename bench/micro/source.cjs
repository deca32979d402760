/**
 * A fake binding that repeats the same records, as many and as fast as they are drained. The loader loads it through
 * NAPI_RS_NATIVE_LIBRARY_PATH.
 */
const records = require('../../__test__/support/fake/records.cjs')

/** The index of the first record in the array. The words before it are the lent length, and an offset of the time. */
const FIRST_RECORD = 3

/** The only source. */
let source

class Source {
  /** Records about the source itself. They come first. */
  #control = [records.opened()]
  #words
  #onRecords
  /** The repeated records one after the other, the number of words of each, and the number of remaining records. */
  #block = new Uint32Array(0)
  #length = 1
  #left = 0
  #done = () => {}

  constructor(_options, words, onRecords) {
    this.#words = words
    this.#onRecords = () => onRecords(0, false)
    source = this
    setImmediate(this.#onRecords)
  }

  /** Queues `count` records from `block`, whose records have `length` words. Resolves when all have been handled. */
  play(block, length, count) {
    this.#block = block
    this.#length = length
    this.#left = count
    return new Promise((resolve) => {
      this.#done = resolve
      this.#onRecords()
    })
  }

  drain() {
    const words = this.#words
    const control = this.#control.shift()
    if (control !== undefined) {
      words.set(control, FIRST_RECORD)
      return FIRST_RECORD + control.length
    }
    if (this.#left === 0) {
      this.#done()
      return 0
    }
    const most = Math.min(words.length - FIRST_RECORD, this.#block.length)
    const count = Math.min(this.#left, Math.floor(most / this.#length))
    this.#left -= count
    const written = count * this.#length
    words.set(written === this.#block.length ? this.#block : this.#block.subarray(0, written), FIRST_RECORD)
    return FIRST_RECORD + written
  }

  scan(id) {
    this.#control.push(records.scanned(id))
    setImmediate(this.#onRecords)
  }

  addRule() {}

  removeRule() {}

  stats() {}

  stop() {
    this.#control.push(records.closed())
    setImmediate(this.#onRecords)
  }

  join() {}
}

module.exports = { Source, play: (...args) => source.play(...args) }
