/** Splits the scripts in arguments into words, and finds the confidential ones by their program. */
import { BACKSLASH, QUOTE, SPACE, classOf } from './characters.js'
import { Command } from './command.js'
import { mayCallProgram } from './programs.js'
import { Quotes } from './quotes.js'
import type { Span } from './spans.js'

/** Scripts within scripts: sh -c "ssh host 'mysql -pSECRET'". */
const DEPTH_MAX = 5

/** Adds the confidential ranges of the words of a script. An argument of one word is no script. */
export function addScriptSpans(text: string, spans: Span[]): void {
  if (hasSpace(text, 0, text.length) && mayCallProgram(text)) new Script(text, spans).read(0, text.length, 0)
}

class Script {
  readonly #text: string
  readonly #quotes: Quotes
  readonly #spans: Span[]
  /** For each quote, with its backslashes: the last search for its end, which serves the positions between. */
  readonly #searches = new Map<string, { from: number; closed: number }>()

  constructor(text: string, spans: Span[]) {
    this.#text = text
    this.#quotes = new Quotes(text)
    this.#spans = spans
  }

  read(start: number, end: number, depth: number): void {
    let command = new Command()
    let at = start
    while (at < end) {
      const of = this.#class(at)
      if (of === BACKSLASH && this.#text[at + 1] === '\n') at += 2
      else if (of === END) {
        command = new Command()
        at++
      } else if (of === SPACE) at++
      else {
        const word = this.#wordEnd(at, end)
        this.#word(command, at, word, depth)
        at = word
      }
    }
  }

  #word(command: Command, start: number, end: number, depth: number): void {
    const [from, to] = this.#unquoted(start, end)
    const secret = command.next(this.#text.slice(from, to))
    if (secret >= 0) {
      this.#spans.push([from + secret, to])
      return
    }
    if (depth === DEPTH_MAX || !hasSpace(this.#text, from, to)) return
    let quote = start
    while (quote < end && this.#class(quote) !== QUOTE && this.#class(quote) !== BACKSLASH) quote++
    const [innerStart, innerEnd] = this.#unquoted(quote, end)
    if (innerStart > quote) this.read(innerStart, innerEnd, depth + 1)
  }

  /** Returns the range without the quotes around it, if they are there. */
  #unquoted(start: number, end: number): Span {
    const { character, backslashes, after } = this.#quotes.read(start)
    if (character === '' || after >= end) return [start, end]
    const width = backslashes + 1
    const isClosed = this.#text[end - 1] === character && end - width >= after
    return isClosed ? [after, end - width] : [start, end]
  }

  #wordEnd(start: number, end: number): number {
    let at = start
    while (at < end) {
      const of = this.#class(at)
      if (of === SPACE || of === END) break
      if (of === QUOTE || of === BACKSLASH) {
        const { character, backslashes, after } = this.#quotes.read(at)
        at = character === '' ? after : this.#quotedEnd(character, backslashes, after, end)
      } else at++
    }
    return Math.min(at, end)
  }

  /** Returns the end of a quoted part; `from` if its quote is not closed. */
  #quotedEnd(character: string, backslashes: number, from: number, end: number): number {
    const key = `${character}${backslashes}`
    let search = this.#searches.get(key)
    if (search === undefined || from < search.from || from >= search.closed) {
      const closed = this.#quotes.closed(character, backslashes, from)
      search = { from, closed: closed < 0 ? Infinity : closed }
      this.#searches.set(key, search)
    }
    return search.closed > end ? from : search.closed
  }

  #class(at: number): number {
    const code = this.#text.charCodeAt(at)
    return code < 128 ? CLASSES[code]! : 0
  }
}

/** The end of a command. */
const END = -1
const CLASSES = Int8Array.from({ length: 128 }, (_, code) =>
  ';|&()\n'.includes(String.fromCharCode(code)) ? END : classOf(code),
)

function hasSpace(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (classOf(text.charCodeAt(at)) === SPACE) return true
  return false
}
