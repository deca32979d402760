/**
 * A binding that has as many events as are asked for, as fast as they are taken: the same records over and over. The
 * loader takes it through NAPI_RS_NATIVE_LIBRARY_PATH.
 */
const records = require('../../__test__/support/fake/records.cjs')

/** The one source that was made. */
let source

class Source {
  /** Records about the source itself, which come first. */
  #control = [records.opened()]
  #words
  #onRecords
  /** The records that are repeated, one after the other; how many words each has; and how many are still to come. */
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

  /** Has `count` records wait, out of `block` that holds some of `length` words each; resolves when all were answered. */
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
      words.set(control, 1)
      return 1 + control.length
    }
    if (this.#left === 0) {
      this.#done()
      return 0
    }
    const most = Math.min(words.length - 1, this.#block.length)
    const count = Math.min(this.#left, Math.floor(most / this.#length))
    this.#left -= count
    const written = count * this.#length
    words.set(written === this.#block.length ? this.#block : this.#block.subarray(0, written), 1)
    return 1 + written
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
