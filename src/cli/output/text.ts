/** Text on a terminal: width, truncation, colours. */
import { styleText } from 'node:util'

export interface Layout {
  /** The width at which a line is cut; Infinity if the target is no terminal. */
  readonly columns: number
  readonly colors: boolean
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'inverse'
/** A piece of a line in one style. */
export type Piece = readonly [text: string, style?: Style | undefined]

/** Characters that take two columns: full-width East Asian characters, and most emoji. */
const WIDE =
  /^(?:[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\p{Script=Tangut}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6])/u
/** Half-width forms of those scripts. */
const HALF = /^[\uff61-\uffdc]/u
const NONE = /^[\p{Mn}\p{Me}]/u

function columnsOf(character: string): number {
  if (character <= '\u02ff' && character.length === 1) return 1
  if (NONE.test(character)) return 0
  return WIDE.test(character) && !HALF.test(character) ? 2 : 1
}

/** Returns the width in columns. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

/** Cuts a text to a width. An ellipsis shows that the end is missing. */
export function cut(text: string, columns: number): string {
  if (text.length * 2 <= columns || widthOf(text) <= columns) return text
  if (columns < 1) return ''
  let used = 0
  let kept = ''
  for (const character of text) {
    const width = columnsOf(character)
    if (used + width > columns - 1) break
    used += width
    kept += character
  }
  return `${kept}…`
}

/** Cuts or pads a text to a width. */
export function column(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const shown = cut(text, columns)
  const space = ' '.repeat(columns - widthOf(shown))
  return align === 'left' ? shown + space : space + shown
}

/** Builds a line that does not wrap. */
export function line(pieces: readonly Piece[], { columns, colors }: Layout): string {
  let left = columns
  let text = ''
  for (const [index, [piece, style]] of pieces.entries()) {
    // The last column is for the ellipsis, if more follows.
    const follows = pieces.slice(index + 1).some(([next]) => next.trim() !== '')
    const shown = cut(follows && widthOf(piece) === left ? `${piece}…` : piece, left)
    text += colors && style !== undefined && shown !== '' ? paint(style, shown) : shown
    if (shown !== piece) break
    left -= widthOf(shown)
    if (left <= 0) break
  }
  return text.trimEnd()
}

/** Wraps a text at words. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Adds the colours. The caller decides whether the target stream shows colours. */
function paint(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}
