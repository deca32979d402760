/**
 * A binding that has as many events as are asked for, as fast as they are taken: the same records over and over. The
 * loader takes it through NAPI_RS_NATIVE_LIBRARY_PATH.
 */
const records = require('../../__test__/fake/records.cjs')

/** The one source that was made. */
let source

class Source {
  /** Records about the source itself, which come first. */
  #control = [records.opened()]
  #ring
  /** The records that are repeated, one after the other; how many words each has; and how many are still to come. */
  #block = new Uint32Array(0)
  #length = 1
  #left = 0
  #done = () => {}

  constructor(_options, ring) {
    this.#ring = ring
    source = this
    setImmediate(ring)
  }

  /** Has `count` records wait, out of `block` that holds some of `length` words each; resolves when all were answered. */
  play(block, length, count) {
    this.#block = block
    this.#length = length
    this.#left = count
    return new Promise((resolve) => {
      this.#done = resolve
      this.#ring()
    })
  }

  drain(words) {
    const control = this.#control.shift()
    if (control !== undefined) {
      words.set(control)
      return control.length
    }
    if (this.#left === 0) {
      this.#done()
      return 0
    }
    const most = Math.min(words.length, this.#block.length)
    const count = Math.min(this.#left, Math.floor(most / this.#length))
    this.#left -= count
    const written = count * this.#length
    words.set(written === this.#block.length ? this.#block : this.#block.subarray(0, written))
    return written
  }

  scan(id) {
    this.#control.push(records.scanned(id))
    setImmediate(this.#ring)
  }

  setInterest() {}

  stats() {}

  stop() {
    this.#control.push(records.closed())
    setImmediate(this.#ring)
  }

  join() {}
}

module.exports = { Source, play: (...args) => source.play(...args) }
