/** Finds user:password in the URLs of a text. The passes over the text add up to a few, however many URLs it has. */

const SPACES_AND_QUOTES = ' \t\n\v\f\r"\'`'

/** The positions that are asked for only grow. */
export class Urls {
  readonly #text: string
  readonly #authorities: Next
  readonly #tokens: Next
  readonly #paths: Next
  readonly #ats: { readonly [of in 'authority' | 'path' | 'token' | 'all']: LastAt }

  constructor(text: string) {
    this.#text = text
    this.#authorities = new Next(text, `/?#${SPACES_AND_QUOTES}`)
    this.#tokens = new Next(text, SPACES_AND_QUOTES)
    this.#paths = new Next(text, '?#')
    const last = (): LastAt => new LastAt(text)
    this.#ats = { authority: last(), path: last(), token: last(), all: last() }
  }

  /**
   * Returns the position of the @ before the host; `start`, where the URL has no user. A password may have a slash.
   * `isWhole`: the URL is all that follows.
   */
  hostOf(start: number, isWhole: boolean): number {
    const text = this.#text
    const [authority, token] = [this.#authorities.after(start), this.#tokens.after(start)]
    const at = this.#ats.authority.within(start, authority)
    const colon = text.indexOf(':', start)
    if (colon < 0 || colon >= authority) return Math.max(at, start)
    const isPort = colon + 1 === authority || /^\d+$/.test(text.slice(colon + 1, authority))
    const isKnown = isPort || (at >= 0 && at + 1 < authority)
    const further = isKnown
      ? this.#ats.path.within(start, Math.min(token, this.#paths.after(start)))
      : this.#ats.token.within(start, token)
    // http://host:4873/@scope/package has no password.
    if (further >= 0 && !(isPort && text[further - 1] === '/')) return further
    if (isKnown || !isWhole) return Math.max(at, start)
    return Math.max(this.#ats.all.within(start, text.length), start)
  }
}

/** The next of some characters, searched for once, however often it is asked for. */
class Next {
  readonly #text: string
  readonly #characters: string
  #found = -1

  constructor(text: string, characters: string) {
    this.#text = text
    this.#characters = characters
  }

  /** Returns the length of the text if there is none. */
  after(from: number): number {
    if (from <= this.#found) return this.#found
    const text = this.#text
    let at = from
    while (at < text.length && !this.#characters.includes(text[at]!)) at++
    this.#found = at
    return at
  }
}

/** The last @ before an end, searched for once. */
class LastAt {
  readonly #text: string
  #end = -1
  #found = -1

  constructor(text: string) {
    this.#text = text
  }

  within(start: number, end: number): number {
    if (end !== this.#end) {
      this.#end = end
      this.#found = end - 1
      while (this.#found >= start && this.#text.charCodeAt(this.#found) !== 0x40) this.#found--
    }
    return this.#found >= start ? this.#found : -1
  }
}
