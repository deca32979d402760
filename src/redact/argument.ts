/** Hides confidential parts of one argument, in a single pass without backtracking. */
import {
  BACKSLASH,
  BLOCKS,
  DELIMITER,
  ENDS,
  ENDS_OF_JSON,
  type Place,
  QUOTE,
  SEPARATOR,
  SPACE,
  WORD,
  classOf,
} from './characters.js'
import { isConfidential, isScheme, takesSecret } from './confidential.js'
import { Quotes } from './quotes.js'
import { REDACTED, type Span } from './spans.js'
import { Urls } from './urls.js'

/** The consequence of an argument for those that follow it. */
export type Following =
  | { readonly is: 'nothing' }
  /** The next argument is confidential. `unlessOption`: except where it begins with a dash. */
  | { readonly is: 'value'; readonly unlessOption: boolean }
  /** The next argument is confidential if it begins with a separator: `"password"` `:` `"VALUE"`. */
  | { readonly is: 'separator' }
  /** All arguments are, up to the one that has this character. */
  | { readonly is: 'rest'; readonly until: string }

export const NOTHING: Following = { is: 'nothing' }
export const VALUE: Following = { is: 'value', unlessOption: false }

export class Scan {
  /** The consequence for the next arguments; null: the last name decides. */
  following: Following | null = null
  readonly #text: string
  /** If true, a separator at its beginning belongs to the name in the argument before. */
  readonly #continues: boolean
  #at = 0
  /** No name begins before this. */
  #limit = 0
  readonly #spans: Span[]
  #place: Place = 'start'
  #hasSpace = false
  readonly #quotes: Quotes
  readonly #urls: Urls

  constructor(text: string, continues: boolean, spans: Span[]) {
    this.#spans = spans
    this.#text = text
    this.#continues = continues
    this.#quotes = new Quotes(text)
    this.#urls = new Urls(text)
  }

  /** Adds the ranges to hide. */
  run(): void {
    while (this.#at < this.#text.length) {
      switch (this.#class(this.#at)) {
        case SEPARATOR:
          this.#separator()
          break
        case SPACE:
          this.#space()
          break
        case BACKSLASH:
        case QUOTE:
          this.#quote()
          break
        case DELIMITER:
          this.#delimiter()
          break
        default:
          this.#at = this.#afterWord(this.#at + 1)
      }
    }
  }

  /** The name that ends before `end`; between them may be spaces, quotes and brackets. */
  nameBefore(end: number): string {
    const stop = this.#nameEnd(end)
    let start = stop
    while (start > this.#limit && this.#class(start - 1) === WORD) start--
    return this.#text.slice(start, stop)
  }

  #nameEnd(end: number): number {
    while (end > this.#limit) {
      const of = this.#class(end - 1)
      const isBetween = of === SPACE || of === QUOTE || of === BACKSLASH
      if (!isBetween && (of === WORD || !']+?)'.includes(this.#text[end - 1]!))) break
      end--
    }
    return end
  }

  #class(at: number): number {
    return classOf(this.#text.charCodeAt(at))
  }

  /** The assignment's name decides. If it is harmless, the value is read like an argument of its own. */
  #separator(): void {
    const at = this.#at
    const isContinued = at === 0 && this.#continues
    if (isContinued || isConfidential(this.nameBefore(at))) {
      const between = this.#class(at - 1) === WORD ? '' : this.#text.slice(this.#nameEnd(at), at)
      const isQuoted = between !== '' && /["'`]/.test(between)
      const place = between.includes(']') ? 'start' : this.#place
      this.#hide(this.#afterSpaces(at + 1), isQuoted ? ENDS_OF_JSON : this.#endsAt(place), isQuoted)
      return
    }
    if (this.#text.startsWith('://', at) && at > this.#limit) return this.#url()
    this.#at = this.#afterSpaces(at + 1)
    this.#limit = this.#at
  }

  /** The query of a URL that is an argument of its own ends with the argument. */
  #endsAt(place: Place): string {
    return place === '?' && !this.#hasSpace ? ENDS['&'] : ENDS[place]
  }

  #space(): void {
    this.#hasSpace = true
    const next = this.#afterSpaces(this.#at)
    // "NAME = VALUE"
    if (next < this.#text.length && this.#class(next) === SEPARATOR) {
      this.#at = next
      return
    }
    const option = this.nameBefore(this.#at)
    if (option.startsWith('-') && takesSecret(option) && next < this.#text.length) {
      this.#hide(next, ENDS.space, false)
      return
    }
    const before = this.#text[this.#at - 1] ?? ' '
    if (this.#text.slice(this.#at, next).includes('\n')) this.#place = 'line'
    else if (!',;{[('.includes(before)) this.#place = 'space'
    this.#at = next
    if (next < this.#text.length) this.#limit = next
  }

  /** A list of quoted words may have an option and its value: ["--password","VALUE"]. */
  #delimiter(): void {
    const character = this.#text[this.#at] as Place
    const option = character === ',' && this.#class(this.#at - 1) === QUOTE ? this.nameBefore(this.#at) : ''
    if (option.startsWith('-') && takesSecret(option)) {
      this.#hide(this.#afterSpaces(this.#at + 1), ENDS_OF_JSON, true)
      return
    }
    // user[password]= and x?= are names.
    const isPartOfName = character === '[' && this.#at > this.#limit && this.#class(this.#at - 1) === WORD
    if (!isPartOfName) this.#place = character
    this.#at++
    this.#limit = this.#at
  }

  #quote(): void {
    const start = this.#at
    const { character, backslashes, after } = this.#quotes.read(start)
    this.#at = after
    if (character === '') return
    const place = this.#quotes.close(character, backslashes)
    if (place !== null) {
      this.#place = place
      return
    }
    // An apostrophe within a word is none.
    const isApostrophe =
      character === "'" && start > this.#limit && this.#class(start - 1) === WORD && this.#class(after) === WORD
    if (isApostrophe || !this.#quotes.open(character, backslashes, this.#place)) return
    this.#place = 'quote'
    this.#limit = after
  }

  /** Hides the value that begins there, or has the next argument hidden if there is none. */
  #hide(start: number, ends: string, isJson: boolean): void {
    const length = this.#text.length
    this.#at = this.#limit = length
    if (start >= length) {
      this.following = VALUE
      return
    }
    let [word, end] = [start, this.#valueEnd(start, ends, isJson)]
    // A value may only announce another one: "Authorization: Bearer VALUE", "--password --token VALUE".
    const mayFollow = (at: number): boolean => at === length || ends === ENDS.space
    while (mayFollow(end) && this.#announces(word, end)) {
      word = this.#afterSpaces(end)
      if (word >= length) {
        this.following = VALUE
        break
      }
      end = this.#valueEnd(word, ends, isJson)
    }
    this.#spans.push([start, end])
    this.#at = this.#limit = end
  }

  /** The end of the value, which may have quoted parts. */
  #valueEnd(start: number, ends: string, isJson: boolean): number {
    const text = this.#text
    let at = start
    // The separator of "NAME := VALUE" and "NAME => VALUE" has a second half.
    while (at < text.length && '=:>'.includes(text[at]!)) at++
    if (at > start) at = this.#afterSpaces(at)
    const first = at
    // A key, or a block of YAML, goes on below.
    if (BLOCKS.has(text[first] ?? '') && this.#isBlock(first)) return text.length
    const closer = isJson ? { '[': ']', '{': '}' }[text[first]!] : undefined
    if (closer !== undefined) {
      if (text.startsWith(REDACTED, first)) at += REDACTED.length
      else {
        if (text.lastIndexOf(closer) < first) this.following = { is: 'rest', until: closer }
        return text.length
      }
    }
    if (ends === ENDS[';'] && text[first] === '{') at = this.#afterBraces(first)
    while (at < text.length) {
      const of = this.#class(at)
      if (of === QUOTE || of === BACKSLASH) {
        const { character, backslashes, after } = this.#quotes.read(at)
        if (character === '') at = after
        else if (this.#quotes.isOpen(character, backslashes)) {
          if (this.#isBoundary(after)) return at
          at = after
        } else {
          const closed = this.#quotes.closed(character, backslashes, after)
          if (closed < 0) {
            if (at === first) this.following = { is: 'rest', until: character }
            return text.length
          }
          at = closed
        }
      } else if (ends.includes(text[at]!)) break
      else at++
    }
    const open = this.#quotes.innermost()
    if (at === text.length && ends === '' && open !== null) this.following = { is: 'rest', until: open }
    // The end of a shell's command stays.
    while (ends === ENDS.space && at > start + 1 && ';)'.includes(text[at - 1]!)) at--
    return at
  }

  /** Braces of ODBC may have a semicolon between them, and a doubled brace: PWD={VALUE;}}VALUE}. */
  #afterBraces(start: number): number {
    const text = this.#text
    let at = text.indexOf('}', start)
    while (at >= 0 && text[at + 1] === '}') at = text.indexOf('}', at + 2)
    return at < 0 ? text.length : at
  }

  #isBlock(at: number): boolean {
    return this.#text.startsWith('-----BEGIN', at) || /^[|>][-+\d]*\r?\n/.test(this.#text.slice(at, at + 5))
  }

  /** Returns true if a quote that stands before this position may be the closing one. */
  #isBoundary(at: number): boolean {
    const of = at < this.#text.length ? this.#class(at) : SPACE
    return (of !== WORD && of !== 0) || '}])>'.includes(this.#text[at]!)
  }

  /** Returns true if the word between the two says that the next one is confidential. */
  #announces(start: number, end: number): boolean {
    if (end - start > ANNOUNCEMENT_MAX) return false
    const [from, closing] = this.#unquoted(start, end)
    const hasSeparator = closing > from && this.#class(closing - 1) === SEPARATOR
    const to = hasSeparator ? this.#unquoted(from, closing - 1)[1] : closing
    for (let at = from; at < to; at++) if (this.#class(at) !== WORD) return false
    const word = this.#text.slice(from, to)
    if (hasSeparator) return isConfidential(word)
    return word.startsWith('-') ? takesSecret(word) : isScheme(word)
  }

  /** The same range without the quotes around it. */
  #unquoted(start: number, end: number): [number, number] {
    while (start < end && this.#class(start) === QUOTE) start++
    while (start < end && this.#class(end - 1) === QUOTE) end--
    return [start, end]
  }

  /** At the colon of scheme://. */
  #url(): void {
    const start = this.#at + 3
    const host = this.#urls.hostOf(start, this.#place === 'start')
    if (host > start) this.#spans.push([start, host])
    this.#at = this.#limit = host
  }

  #afterSpaces(at: number): number {
    const text = this.#text
    while (at < text.length) {
      // A script's line may go on after a backslash.
      if (classOf(text.charCodeAt(at)) === SPACE) at++
      else if (text.charCodeAt(at) === 0x5c && text[at + 1] === '\n') at += 2
      else break
    }
    return at
  }

  #afterWord(at: number): number {
    const text = this.#text
    while (at < text.length && classOf(text.charCodeAt(at)) <= WORD) at++
    return at
  }
}

/** Longer words announce nothing. */
const ANNOUNCEMENT_MAX = 160
