/** Which parts of arguments are confidential, by the words that they follow. */

const REDACTED = '[redacted]'

/** The last word of a name: of an option, a variable, a header, a key of JSON. */
const LAST_WORD =
  /^(?:pass|pwd|passin|passout|passcode|auth|keys?|apikey|\w*(?:password|passwd|passphrase|tokens?|secrets?|credentials?|authorization|cookies?))$/

/** "token": SECRET, password=SECRET, PASSWORD = 'SECRET'. */
const ASSIGNMENT = /(?<![\w.-])(([\w.-]+)["']?\s*(?:=|:(?!\/\/))\s*)(?:"[^"]*"|'[^']*'|[^\s"'&;,]+)/g
/** --token SECRET, within a longer text such as a script. */
const OPTION_AND_VALUE = /((?<=^|\s)--?([\w.-]+)\s+)(?!--)(?:"[^"]*"|'[^']*'|[^\s"'&;,]+)/g
/** Authorization: Basic SECRET, within a longer text: two words. */
const SCHEME = /(\bauthorization["']?\s*[:=]\s*["']?)(?:basic|bearer|digest|negotiate|token)\s+[^\s"']+/gi
/** As an argument of its own: all that follows. */
const HEADER = /^(["']?([\w-]+)\s*:\s*)(?!\/\/)\S.*$/s
/** scheme://user:password@host. */
const CREDENTIALS_OF_URL = /(\b[a-z][a-z\d+.-]{0,30}:\/\/)[^\s/?#"']+(?=@)/gi

/** What may be shown instead. It errs on the side of hiding. */
export function redact(argv: readonly string[]): string[] {
  return argv.map((argument, index) => {
    const [, option] = (index > 1 && /^--?([\w.-]+)$/.exec(argv[index - 1]!)) || []
    return option !== undefined && isConfidential(option) && !argument.startsWith('--')
      ? REDACTED
      : redactText(argument)
  })
}

function redactText(text: string): string {
  const [, header, name] = HEADER.exec(text) ?? []
  if (header !== undefined && isConfidential(name!)) return header + REDACTED
  const hide = (whole: string, before: string, of: string): string => (isConfidential(of) ? before + REDACTED : whole)
  return text
    .replace(CREDENTIALS_OF_URL, `$1${REDACTED}`)
    .replace(SCHEME, `$1${REDACTED}`)
    .replace(ASSIGNMENT, hide)
    .replace(OPTION_AND_VALUE, hide)
}

/** apiKey, API_KEY, api-key and --key, but not --keyfile, nor monkey. */
function isConfidential(name: string): boolean {
  const words = name.replace(/([a-z\d])([A-Z])/g, '$1-$2').toLowerCase()
  return LAST_WORD.test(words.split(/[^a-z\d]+/).at(-1)!)
}
