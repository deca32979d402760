/** The table of confidential names: of options, variables, headers and keys of JSON. */

/** Names that are confidential as the whole last word of a name: --key, API_KEY, apiKey; not monkey, nor key-file. */
const WORDS: readonly string[] = [
  'pass',
  'passw',
  'passwo',
  'passwor',
  'pw',
  'pwd',
  'psk',
  'passin',
  'passout',
  'passcode',
  'passkey',
  'auth',
  'bearer',
  'cred',
  'creds',
  'jwt',
  'key',
  'keys',
  'apikey',
  'otp',
  'totp',
]

/** Names that are confidential also as the end of the last word: PGPASSWORD, authToken. */
const ENDINGS: readonly string[] = [
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'token',
  'tokens',
  'secret',
  'secrets',
  'credential',
  'credentials',
  'authorization',
  'cookie',
  'cookies',
  'storepass',
  'keypass',
  'accountkey',
  'accesskey',
  'sharedkey',
  'privatekey',
  'sessid',
  'sessionid',
]

/** Names of several words whose last one alone means nothing: secret_id, tokenValue. */
const COMPOUND =
  /(?:(?:secret|session|token|password)[_.-]?(?:id|string|value|binary|hash|text|plaintext)|key[_.-]?data)$/i

/** The last three letters of names that COMPOUND and ASSIGNED match, and of names that end with the word pw. */
const OTHER_ENDS: readonly string[] = [
  '-pw',
  '_pw',
  '.pw',
  '-id',
  '_id',
  '.id',
  'tid',
  'nid',
  'did',
  'ing',
  'lue',
  'ary',
  'ash',
  'ext',
  'ata',
  'sig',
  'ure',
]

/** Names that are confidential in forms and URLs (`sig=VALUE`), but not as options. */
const ASSIGNED = /(?:^|[^a-z])(?:sig|signature)$|accesssignature$/i

/** Names after which the next argument is a value even without dashes: `config set password VALUE`. */
const BARE = /(?:^|[:.])[\w-]*(?:passwords?|passwd|passphrase|(?:api|access|secret|auth)[_-]?(?:key|token))$/i

/** The first word of a value of two words: `Authorization: Bearer VALUE`. */
const SCHEME = /^["']?(?:basic|bearer|digest|negotiate|ntlm|token)["']?$/i

/** Longer names are judged by their end. */
const NAME_MAX = 128

const IS_WORD: ReadonlySet<string> = new Set(WORDS)
/** The last three letters of each, as a number: they spare most names the rest. */
const LAST_LETTERS: ReadonlySet<number> = new Set(
  [...WORDS, ...ENDINGS, ...OTHER_ENDS].map((word) => lastLetters(word)),
)

/** Returns true if what follows that name is confidential. `name` may have leading dashes. */
export function isConfidential(name: string): boolean {
  if (!LAST_LETTERS.has(lastLetters(name))) return false
  const first = Math.max(0, name.length - NAME_MAX)
  let start = name.length
  let hump = 0
  while (start > first && isAlphanumeric(name.charCodeAt(start - 1))) {
    start--
    if (hump === 0 && isUpper(name.charCodeAt(start)) && isLowerOrDigit(name.charCodeAt(start - 1))) hump = start
  }
  const word = name.slice(start).toLowerCase()
  if (IS_WORD.has(word) || ENDINGS.some((ending) => word.endsWith(ending))) return true
  if (hump > start && IS_WORD.has(word.slice(hump - start))) return true
  const end = name.slice(first)
  if (COMPOUND.test(end) || (!name.startsWith('-') && ASSIGNED.test(end))) return true
  // A short option and its value in one argument: -dkey=VALUE.
  return start === 1 && name.startsWith('-') && IS_WORD.has(word.slice(1))
}

/** Returns true if the option of that name takes a confidential value: --password, but not --no-password. */
export function takesSecret(option: string): boolean {
  return isConfidential(option) && !option.startsWith('--no-') && !option.startsWith('-no-')
}

/** Returns true if that argument, which is no option, is the name of a confidential value that follows. */
export function isBareName(argument: string): boolean {
  return argument.length <= NAME_MAX && BARE.test(argument)
}

/** Returns true if that word only says what kind of value the next word is. */
export function isScheme(word: string): boolean {
  return word.length <= NAME_MAX && SCHEME.test(word)
}

function lastLetters(name: string): number {
  const { length } = name
  if (length < 2) return 0
  const letter = (at: number): number => name.charCodeAt(length - at) | 0x20
  return ((length < 3 ? 0 : letter(3)) << 16) | (letter(2) << 8) | letter(1)
}

function isUpper(code: number): boolean {
  return code >= 0x41 && code <= 0x5a
}

function isLowerOrDigit(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)
}

function isAlphanumeric(code: number): boolean {
  return isUpper(code) || isLowerOrDigit(code)
}
