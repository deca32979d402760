/** Hides what is confidential in one argument: a single pass, without any backtracking. */
import { isConfidential, isScheme, takesSecret } from './confidential.js'
import { Urls } from './urls.js'

export const REDACTED = '[redacted]'

/** What an argument says of those that follow it. */
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

/** Classes of characters. */
const [WORD, SEPARATOR, SPACE, QUOTE, BACKSLASH, DELIMITER] = [1, 2, 3, 4, 5, 6] as const

const CLASSES = new Uint8Array(128)
for (const [characters, of] of [
  ['abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-', WORD],
  ['=:', SEPARATOR],
  [' \t\n\v\f\r', SPACE],
  ['"\'`', QUOTE],
  ['\\', BACKSLASH],
  [',;&?{[(|', DELIMITER],
] as const) {
  for (const character of characters) CLASSES[character.charCodeAt(0)] = of
}

function classOf(code: number): number {
  return code < 128 ? CLASSES[code]! : 0
}

/** What stands before the assignment that is being read, and so decides where its value ends. */
type Place = 'start' | 'space' | 'quote' | ',' | ';' | '&' | '?' | '{' | '[' | '(' | '|'

/** The characters that end a value there. A quote that was open before ends it anywhere. */
const ENDS: { readonly [place in Place]: string } = {
  start: '',
  quote: '',
  space: ' \t\n\v\f\r',
  ',': ',',
  ';': ';',
  '&': '&',
  '?': '& \t\n\v\f\r',
  '{': ',}',
  '[': ',]',
  '(': ',)',
  '|': '|',
}
/** The same after a key in quotes, as in JSON. */
const ENDS_OF_JSON = ',}] \t\n\v\f\r'

/** A quote that is open: a quote within a quoted text has more backslashes than the one around. */
interface Quote {
  readonly character: string
  readonly backslashes: number
  /** Where the text before it had come to. */
  readonly place: Place
}

/** Deeper ones are taken for text. */
const QUOTES_MAX = 8

export class Scan {
  /** What the argument says of the next ones; null: its last name decides. */
  following: Following | null = null
  readonly #text: string
  /** Whether it may begin with a separator whose name was in the argument before. */
  readonly #continues: boolean
  #at = 0
  /** What stands before this is in #shown. */
  #copied = 0
  /** No name begins before this. */
  #limit = 0
  #shown = ''
  #place: Place = 'start'
  readonly #quotes: Quote[] = []
  readonly #urls: Urls

  constructor(text: string, continues: boolean) {
    this.#text = text
    this.#continues = continues
    this.#urls = new Urls(text)
  }

  run(): string {
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
    return this.#copied === 0 ? this.#text : this.#shown + this.#text.slice(this.#copied)
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
      this.#hide(this.#afterSpaces(at + 1), isQuoted ? ENDS_OF_JSON : ENDS[place], isQuoted)
      return
    }
    if (this.#text.startsWith('://', at) && at > this.#limit) return this.#url()
    this.#at = this.#afterSpaces(at + 1)
    this.#limit = this.#at
  }

  #space(): void {
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
    if (!',;{[('.includes(before)) this.#place = 'space'
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
    const { character, backslashes, after } = this.#quoteAt(start)
    this.#at = after
    if (character === '') return
    const open = this.#openIndex(character, backslashes)
    if (open >= 0) {
      this.#place = this.#quotes[open]!.place
      this.#quotes.length = open
      return
    }
    // An apostrophe within a word is none.
    const isApostrophe =
      character === "'" && start > this.#limit && this.#class(start - 1) === WORD && this.#class(after) === WORD
    if (isApostrophe || this.#quotes.length === QUOTES_MAX) return
    this.#quotes.push({ character, backslashes, place: this.#place })
    this.#place = 'quote'
    this.#limit = after
  }

  /** A quote and the backslashes before it. Without a quote, the character after them is skipped if they escape it. */
  #quoteAt(at: number): { character: string; backslashes: number; after: number } {
    let end = at
    while (this.#class(end) === BACKSLASH) end++
    const backslashes = end - at
    if (end < this.#text.length && this.#class(end) === QUOTE) {
      return { character: this.#text[end]!, backslashes, after: end + 1 }
    }
    return { character: '', backslashes, after: Math.min(end + (backslashes % 2), this.#text.length) }
  }

  #openIndex(character: string, backslashes: number): number {
    for (let index = this.#quotes.length - 1; index >= 0; index--) {
      const quote = this.#quotes[index]!
      if (quote.character === character && quote.backslashes === backslashes) return index
    }
    return -1
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
    this.#shown += this.#text.slice(this.#copied, start) + REDACTED
    this.#copied = this.#at = this.#limit = end
  }

  /** The end of the value, which may have quoted parts. */
  #valueEnd(start: number, ends: string, isJson: boolean): number {
    const text = this.#text
    let at = start
    // Of "NAME := VALUE" and "NAME => VALUE" the separator has a second half.
    while (at < text.length && '=:>'.includes(text[at]!)) at++
    if (at > start) at = this.#afterSpaces(at)
    const first = at
    const closer = isJson ? { '[': ']', '{': '}' }[text[first]!] : undefined
    if (closer !== undefined) {
      if (text.startsWith(REDACTED, first)) at += REDACTED.length
      else {
        if (text.lastIndexOf(closer) < first) this.following = { is: 'rest', until: closer }
        return text.length
      }
    }
    while (at < text.length) {
      const of = this.#class(at)
      if (of === QUOTE || of === BACKSLASH) {
        const { character, backslashes, after } = this.#quoteAt(at)
        if (character === '') at = after
        else if (this.#openIndex(character, backslashes) >= 0) {
          if (this.#isBoundary(after)) return at
          at = after
        } else {
          const closed = this.#closed(character, backslashes, after)
          if (closed < 0) {
            if (at === first) this.following = { is: 'rest', until: character }
            return text.length
          }
          at = closed
        }
      } else if (ends.includes(text[at]!)) break
      else at++
    }
    const open = this.#quotes.at(-1)
    if (at === text.length && ends === '' && open !== undefined) this.following = { is: 'rest', until: open.character }
    // What ends a command of a shell stays.
    while (ends === ENDS.space && at > start + 1 && ';)'.includes(text[at - 1]!)) at--
    return at
  }

  /** Returns the end of a quoted part, after its closing quote; -1 if it has none. */
  #closed(character: string, backslashes: number, from: number): number {
    for (let at = this.#text.indexOf(character, from); at >= 0; at = this.#text.indexOf(character, at + 1)) {
      let start = at
      while (start > from && this.#text.charCodeAt(start - 1) === 0x5c) start--
      const escapes = at - start
      if (escapes === backslashes || (backslashes === 0 && escapes % 2 === 0)) return at + 1
    }
    return -1
  }

  /** Returns true if a quote that stands before this position may be the closing one. */
  #isBoundary(at: number): boolean {
    const of = at < this.#text.length ? this.#class(at) : SPACE
    return (of !== WORD && of !== 0) || '}])>'.includes(this.#text[at]!)
  }

  /** Returns true if the word between the two says that the next one is confidential. */
  #announces(start: number, end: number): boolean {
    if (end - start > ANNOUNCEMENT_MAX || end - start < 3) return false
    const [, word, separator] = /^["']*([\w.-]+)(["']*[=:])?["']*$/.exec(this.#text.slice(start, end)) ?? []
    if (word === undefined) return false
    if (separator !== undefined) return isConfidential(word)
    return word.startsWith('-') ? takesSecret(word) : isScheme(word)
  }

  /** At the colon of scheme://. */
  #url(): void {
    const start = this.#at + 3
    const host = this.#urls.hostOf(start, this.#place === 'start')
    if (host > start) {
      this.#shown += this.#text.slice(this.#copied, start) + REDACTED
      this.#copied = host
    }
    this.#at = this.#limit = host
  }

  #afterSpaces(at: number): number {
    const text = this.#text
    while (at < text.length && classOf(text.charCodeAt(at)) === SPACE) at++
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
