/** Texts of other processes: escaped, and cut if they are kept for long. */

/** Escapes control characters, because a process chooses its own name. */
export function printable(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16)
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`
  })
}

/**
 * Returns the text, cut at so many characters. It is for texts that are kept for long, and shares no memory with the text
 * that it was cut from.
 */
export function excerpt(text: string, most: number): string {
  if (text.length <= most) return text
  // Half of a surrogate pair is no character.
  const end = /[\ud800-\udbff]/.test(text[most - 1]!) ? most - 1 : most
  return `${Buffer.from(text.slice(0, end), 'utf16le').toString('utf16le')}…`
}

/** The longest file name, in bytes. */
const NAME_MAX = 256

/** Returns a name as it is kept. */
export function keptName(name: string): string {
  return excerpt(name, NAME_MAX)
}
