/** Finds secrets by their shape: tokens with the prefix of their issuer, private keys, and the value after `Bearer`. */
import type { Span } from './spans.js'

const [DIGIT, LOWER, UPPER, HEX_LOWER, HEX_UPPER, UNDERSCORE, DASH, DOT, BASE64] = [1, 2, 4, 8, 16, 32, 64, 128, 256]
const ALPHANUMERIC = DIGIT | LOWER | UPPER
const WORD = ALPHANUMERIC | UNDERSCORE
const URL_SAFE = WORD | DASH
const HEX = DIGIT | HEX_LOWER | HEX_UPPER

const KINDS = new Uint16Array(128)
for (const [characters, kind] of [
  ['0123456789', DIGIT],
  ['abcdefghijklmnopqrstuvwxyz', LOWER],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZ', UPPER],
  ['abcdef', HEX_LOWER],
  ['ABCDEF', HEX_UPPER],
  ['_', UNDERSCORE],
  ['-', DASH],
  ['.', DOT],
  ['+/=~', BASE64],
] as const) {
  for (const character of characters) KINDS[character.charCodeAt(0)]! |= kind
}

interface Shape {
  readonly prefix: string
  /** The characters after the prefix. */
  readonly kinds: number
  /** The least number of them. */
  readonly min: number
  /** If true, no letter and no digit stands before the prefix. */
  readonly isWord: boolean
}

/** Shapes whose prefix is so rare that it may stand within a word: prefixes, characters, least number. */
const RARE: readonly (readonly [prefixes: string, kinds: number, min: number])[] = [
  ['ghp_ gho_ ghu_ ghs_ ghr_', ALPHANUMERIC, 36],
  ['github_pat_', WORD, 22],
  ['glpat- gldt- glrt- glft- glcbt- glsoat- glffct- glimt- glagent- gloas- glptt- GR1348941', URL_SAFE | DOT, 20],
  ['xoxa- xoxb- xoxc- xoxd- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp-', URL_SAFE | DOT | BASE64, 10],
  ['sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_', ALPHANUMERIC | BASE64, 10],
  ['sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1-', URL_SAFE, 20],
  ['shpat_ shpca_ shppa_ shpss_', HEX, 32],
  ['dop_v1_ doo_v1_ dor_v1_', HEX, 64],
  ['pypi-AgE', URL_SAFE, 16],
  ['sntryu_ sntrys_', URL_SAFE | BASE64, 32],
  ['pscale_tkn_ pscale_oauth_ pscale_pw_', URL_SAFE | DOT, 32],
  ['xkeysib- xsmtpsib-', URL_SAFE, 32],
  ['AGE-SECRET-KEY-1', ALPHANUMERIC, 50],
  ['dckr_pat_ dckr_oat_', URL_SAFE, 20],
  ['rubygems_', HEX, 48],
  ['PMAK-', HEX | DASH, 50],
  ['lin_api_ lin_oauth_', ALPHANUMERIC, 40],
  ['ops_eyJ', ALPHANUMERIC | BASE64, 100],
  ['dp.pt. dp.st. dp.ct. dp.sa.', ALPHANUMERIC | DOT, 40],
  ['sha256~', URL_SAFE, 43],
  ['HRKU-AA', URL_SAFE, 50],
]

/** Shapes that begin a word. */
const WORDS: readonly (readonly [prefixes: string, kinds: number, min: number])[] = [
  ['AKIA ASIA ABIA ACCA', DIGIT | UPPER, 16],
  ['ABSK', ALPHANUMERIC | BASE64, 100],
  ['AIza', URL_SAFE, 35],
  ['ya29. 1//0', URL_SAFE | DOT, 20],
  ['GOCSPX-', URL_SAFE, 20],
  // A JSON object in base64: a JSON Web Token, or a key of Grafana.
  ['eyJ', URL_SAFE | DOT | BASE64, 17],
  ['npm_', ALPHANUMERIC, 36],
  ['hvs. hvb. hvr.', URL_SAFE, 24],
  ['SG.', URL_SAFE | DOT, 60],
  ['sk-', ALPHANUMERIC, 32],
  ['hf_', ALPHANUMERIC, 34],
  ['glsa_', WORD, 32],
  ['glc_', ALPHANUMERIC | BASE64, 32],
  ['pul-', HEX, 40],
  ['dapi', HEX, 32],
  ['ntn_', ALPHANUMERIC, 40],
  ['pplx-', ALPHANUMERIC, 40],
  ['gsk_', ALPHANUMERIC, 40],
  ['xai-', ALPHANUMERIC, 40],
  ['r8_', ALPHANUMERIC, 36],
  ['sbp_', HEX, 40],
  ['tskey-', URL_SAFE, 20],
  ['rdme_', ALPHANUMERIC, 60],
  ['dt0c01.', ALPHANUMERIC | DOT, 60],
  ['NRAK-', ALPHANUMERIC, 27],
  ['LTAI', ALPHANUMERIC, 16],
  ['AKCp', ALPHANUMERIC, 60],
  ['cmVmd', ALPHANUMERIC, 55],
  ['ATATT3', URL_SAFE | BASE64, 60],
  ['ATBB', ALPHANUMERIC, 28],
  ['SK', HEX, 32],
]

/** The letters with which a prefix begins, two at a time, and the shapes by these two. */
const PAIRS = new Uint8Array(128 * 128)
const BY_PREFIX = new Map<number, Shape[]>()
for (const [rows, isWord] of [
  [RARE, false],
  [WORDS, true],
] as const) {
  for (const [prefixes, kinds, min] of rows) {
    for (const prefix of prefixes.split(' ')) {
      PAIRS[prefix.charCodeAt(0) * 128 + prefix.charCodeAt(1)] = 1
      for (const third of prefix.length > 2 ? [prefix.charCodeAt(2)] : Array(128).keys()) {
        const key = keyOf(prefix.charCodeAt(0), prefix.charCodeAt(1), third)
        BY_PREFIX.set(key, [...(BY_PREFIX.get(key) ?? []), { prefix, kinds, min, isWord }])
      }
    }
  }
}

/** Adds the ranges of tokens. Each position is read a bounded number of times. */
export function addTokenSpans(text: string, spans: Span[]): void {
  const { length } = text
  let next = length > 0 ? text.charCodeAt(0) : 0
  for (let at = 0; at + 2 < length; at++) {
    const first = next
    next = text.charCodeAt(at + 1)
    if (first > 127 || next > 127 || PAIRS[first * 128 + next] === 0) continue
    const end = tokenEnd(text, at, BY_PREFIX.get(keyOf(first, next, text.charCodeAt(at + 2))))
    if (end < 0) continue
    spans.push([at, end])
    at = end - 1
    next = end < length ? text.charCodeAt(end) : 0
  }
}

function tokenEnd(text: string, at: number, shapes: readonly Shape[] | undefined): number {
  for (const { prefix, kinds, min, isWord } of shapes ?? []) {
    if (!text.startsWith(prefix, at)) continue
    if (isWord && at > 0 && (kindOf(text, at - 1) & ALPHANUMERIC) !== 0) continue
    const from = at + prefix.length
    const end = runEnd(text, from, kinds)
    if (end - from >= min) return end
    // The run is short here, because a longer one is returned.
  }
  return -1
}

function runEnd(text: string, from: number, kinds: number): number {
  let at = from
  while (at < text.length && (kindOf(text, at) & kinds) !== 0) at++
  return at
}

function kindOf(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? KINDS[code]! : 0
}

function keyOf(first: number, second: number, third: number): number {
  return (first << 16) | (second << 8) | third
}

const PEM = '-----BEGIN'
export const PEM_END = '-----END'

/** Adds the ranges of private keys. Returns true if the last one does not end in this text. */
export function addPrivateKeySpans(text: string, spans: Span[]): boolean {
  let at = text.indexOf(PEM)
  while (at >= 0) {
    const header = at + PEM.length
    const headerEnd = text.indexOf('-----', header)
    const label = text.slice(header, headerEnd < 0 || headerEnd > header + LABEL_MAX ? header + LABEL_MAX : headerEnd)
    // Words of the header may be arguments of their own.
    const isCut = headerEnd < 0 && /^[A-Z0-9 ]*$/.test(label)
    if (!isCut && !label.includes('PRIVATE')) {
      at = text.indexOf(PEM, header)
      continue
    }
    const start = isCut ? text.length : headerEnd < 0 ? header : headerEnd + 5
    const end = text.indexOf(PEM_END, start)
    spans.push([start, end < 0 ? text.length : end])
    if (end < 0) return true
    at = text.indexOf(PEM, end)
  }
  return false
}

const LABEL_MAX = 100

const BEARER = /\bbearer[ \t]+(?=([\w.~+/=-]{16}))/gi

/** Adds the ranges of values after `Bearer`. Shorter words are English. */
export function addBearerSpans(text: string, spans: Span[]): void {
  BEARER.lastIndex = 0
  for (let match = BEARER.exec(text); match !== null; match = BEARER.exec(text)) {
    const end = runEnd(text, BEARER.lastIndex, URL_SAFE | DOT | BASE64)
    spans.push([BEARER.lastIndex, end])
    BEARER.lastIndex = end
  }
}

const ORACLE = 'jdbc:oracle:'
const ORACLE_MAX = 150

/** Adds the ranges of passwords in `jdbc:oracle:thin:USER/SECRET@HOST`. */
export function addOracleSpans(text: string, spans: Span[]): void {
  for (let at = text.indexOf(ORACLE); at >= 0; at = text.indexOf(ORACLE, at + 1)) {
    const start = at + ORACLE.length
    const [, user, secret] = /^(\w*:[^/@\s]*\/)([^@\s]*)@/.exec(text.slice(start, start + ORACLE_MAX)) ?? []
    if (secret !== undefined) spans.push([start + user!.length, start + user!.length + secret.length])
  }
}
