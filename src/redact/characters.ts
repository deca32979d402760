/** The characters that arguments are divided by: what they are, and where a value ends. */

export const WORD = 1
export const SEPARATOR = 2
export const SPACE = 3
export const QUOTE = 4
export const BACKSLASH = 5
export const DELIMITER = 6

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

export function classOf(code: number): number {
  return code < 128 ? CLASSES[code]! : 0
}

/** The place of an assignment, by what stands before it. It decides where the value ends. */
export type Place = 'start' | 'line' | 'space' | 'quote' | ',' | ';' | '&' | '?' | '{' | '[' | '(' | '|'

/** The characters that end a value there. A quote that was open before ends it anywhere. */
export const ENDS: { readonly [place in Place]: string } = {
  start: '',
  quote: '',
  line: '\n\r',
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
export const ENDS_OF_JSON = ',}] \t\n\v\f\r'

/** The characters that a value which goes on below its line begins with. */
export const BLOCKS: ReadonlySet<string> = new Set(['-', '|', '>'])
