/** The quotes that are open at a position of an argument. A quote within a quoted text has more backslashes than the one around. */
import { BACKSLASH, type Place, QUOTE, classOf } from './characters.js'

interface Quote {
  readonly character: string
  readonly backslashes: number
  /** The place of the text before it. */
  readonly place: Place
}

/** Deeper ones are taken for text. */
const QUOTES_MAX = 8

export class Quotes {
  readonly #text: string
  readonly #open: Quote[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** Returns false if there are too many to open another one. */
  open(character: string, backslashes: number, place: Place): boolean {
    if (this.#open.length === QUOTES_MAX) return false
    this.#open.push({ character, backslashes, place })
    return true
  }

  /** Closes that quote and those within. Returns the place of the text before it; null if it is not open. */
  close(character: string, backslashes: number): Place | null {
    const index = this.#indexOf(character, backslashes)
    if (index < 0) return null
    const { place } = this.#open[index]!
    this.#open.length = index
    return place
  }

  isOpen(character: string, backslashes: number): boolean {
    return this.#indexOf(character, backslashes) >= 0
  }

  /** Returns the character of the quote that was opened last; null if none is open. */
  innermost(): string | null {
    return this.#open.at(-1)?.character ?? null
  }

  /** A quote and the backslashes before it. Without a quote, the character after them is skipped if they escape it. */
  read(at: number): { character: string; backslashes: number; after: number } {
    let end = at
    while (classOf(this.#text.charCodeAt(end)) === BACKSLASH) end++
    const backslashes = end - at
    if (end < this.#text.length && classOf(this.#text.charCodeAt(end)) === QUOTE) {
      return { character: this.#text[end]!, backslashes, after: end + 1 }
    }
    return { character: '', backslashes, after: Math.min(end + (backslashes % 2), this.#text.length) }
  }

  #indexOf(character: string, backslashes: number): number {
    for (let index = this.#open.length - 1; index >= 0; index--) {
      const quote = this.#open[index]!
      if (quote.character === character && quote.backslashes === backslashes) return index
    }
    return -1
  }

  /** Returns the end of a quoted part, after its closing quote; -1 if it has none. */
  closed(character: string, backslashes: number, from: number): number {
    for (let at = this.#text.indexOf(character, from); at >= 0; at = this.#text.indexOf(character, at + 1)) {
      let start = at
      while (start > from && this.#text.charCodeAt(start - 1) === 0x5c) start--
      const escapes = at - start
      if (escapes === backslashes || (backslashes === 0 && escapes % 2 === 0)) return at + 1
    }
    return -1
  }
}
