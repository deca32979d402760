/** Finds secrets in a text with percent-encoding, by its decoded forms. */
import { WORD, classOf } from './characters.js'
import type { Span } from './spans.js'

/** A text, and for each of its positions the one in the original text. */
export interface Decoded {
  readonly text: string
  readonly origins: Uint32Array
}

/** The encodings within encodings that are read. */
const DEPTH_MAX = 2

/**
 * Returns the decoded forms of a text. In the first one, only letters, digits and `-._` are decoded, because a value may have
 * an encoded separator. In the others, all characters are that are not blank.
 */
export function decodedForms(text: string): Decoded[] {
  if (!ENCODED.test(text)) return []
  const original = { text, origins: new Uint32Array(text.length + 1) }
  for (let at = 0; at <= text.length; at++) original.origins[at] = at
  const names = decode(original, (code) => isNameCode(code))
  const forms = names === null ? [] : [names]
  let form: Decoded | null = original
  for (let depth = 0; depth < DEPTH_MAX && form !== null; depth++) {
    form = decode(form, (code) => code > 0x20 && code < 0x7f)
    if (form !== null) forms.push(form)
  }
  return forms
}

/** Returns the range of the original text. */
export function originOf({ origins }: Decoded, [start, end]: Span): Span {
  return [origins[start]!, origins[end]!]
}

const PERCENT = 0x25
const ENCODED = /%[2-7][\da-f]/i

/** Returns null if nothing is decoded. */
function decode({ text, origins }: Decoded, isDecoded: (code: number) => boolean): Decoded | null {
  const codes = new Uint16Array(text.length)
  const found = new Uint32Array(text.length + 1)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    found[length] = origins[at]!
    let code = text.charCodeAt(at)
    if (code === PERCENT) {
      const decoded = hexCode(text, at + 1)
      if (decoded >= 0 && isDecoded(decoded)) {
        code = decoded
        at += 2
      }
    }
    codes[length++] = code
  }
  if (length === text.length) return null
  found[length] = origins[text.length]!
  return { text: Buffer.from(codes.buffer, 0, length * 2).toString('utf16le'), origins: found }
}

function hexCode(text: string, at: number): number {
  const [high, low] = [hexDigit(text.charCodeAt(at)), hexDigit(text.charCodeAt(at + 1))]
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Returns -1 also past the end of a text. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function isNameCode(code: number): boolean {
  return code < 128 && classOf(code) === WORD
}
