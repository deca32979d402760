/** Remembers decoded texts, because a machine runs the same programs again and again. */

/** Texts that are remembered. */
const SLOT_BITS = 9
const SLOTS = 1 << SLOT_BITS
/** The most words of a remembered text, its length among them. Longer texts are rarely equal. */
const WORDS_MAX = 64

/** The same memory as words and as bytes. */
interface Memory {
  readonly words: Uint32Array
  readonly bytes: Buffer
}

/** A text as a list, which is frozen, because events share it. */
type Parts = readonly string[]

/**
 * Texts in the layout of records: a word with the length in bytes, then the bytes, padded with zeros. A text may replace another
 * one, so that the memory is bounded: 128 KiB, and the texts.
 */
export class TextCache {
  readonly #words = new Uint32Array(SLOTS * WORDS_MAX)
  readonly #texts: string[] = Array.from({ length: SLOTS }, () => '')
  readonly #parts: (Parts | null)[] = Array.from({ length: SLOTS }, () => null)
  readonly #split: (text: string) => Parts

  /** `split` makes a list of a text. */
  constructor(split: (text: string) => Parts) {
    this.#split = split
  }

  /** Returns the text at an index of the words. */
  text(memory: Memory, at: number): string {
    const slot = this.#slotOf(memory, at)
    return slot < 0 ? decode(memory, at) : this.#texts[slot]!
  }

  /** Returns the list of the text at an index of the words. */
  list(memory: Memory, at: number): Parts {
    const slot = this.#slotOf(memory, at)
    return slot < 0 ? this.#split(decode(memory, at)) : (this.#parts[slot] ??= this.#split(this.#texts[slot]!))
  }

  /** Returns the slot of the text, which is remembered from now on. -1: the text is too long. */
  #slotOf(memory: Memory, at: number): number {
    const { words } = memory
    const length = words[at]!
    const count = 1 + ((length + 3) >>> 2)
    if (count > WORDS_MAX) return -1
    let hash = length
    for (let place = at + 1; place < at + count; place++)
      hash = Math.imul(hash ^ words[place]! ^ (hash >>> 15), 0x9e3779b1)
    const slot = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> (32 - SLOT_BITS)
    const known = this.#words
    const start = slot * WORDS_MAX
    let same = 0
    while (same < count && known[start + same] === words[at + same]) same++
    if (same === count) return slot
    for (let place = same; place < count; place++) known[start + place] = words[at + place]!
    this.#texts[slot] = decode(memory, at)
    this.#parts[slot] = null
    return slot
  }
}

function decode({ words, bytes }: Memory, at: number): string {
  const start = (at + 1) * 4
  return bytes.toString('utf8', start, start + words[at]!)
}
