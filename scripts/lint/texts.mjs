// Takes a file apart into the texts that people read: comments, string literals, and the prose of Markdown. A text is
// `{ kind, isDoc, lines }` with `kind` 'comment', 'string' or 'prose' and each line `{ number, text }`, without markers.

const REGULAR_EXPRESSION = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y
const MAY_PRECEDE_REGULAR_EXPRESSION = /(?:^|[(,=:[!&|?{};+>]|\b(?:return|typeof|case|in|of|await))$/

const COMMENTS = [
  ['comment', /\/\/[^\n]*/y],
  ['comment', /\/\*[\s\S]*?\*\//y],
]
const OTHERS = [
  ['', /[\w$]+/y],
  ['', /\s+/y],
  ['', /[\s\S]/y],
]
const C = [...COMMENTS, ['string', /"(?:\\[\s\S]|[^"\\\n])*"/y], ['', /'(?:\\.|[^'\\\n])+'/y], ...OTHERS]
const RUST = [
  ...COMMENTS,
  ['string', /[bc]?r(#*)"[\s\S]*?"\1/y],
  ['string', /[bc]?"(?:\\[\s\S]|[^"\\])*"/y],
  ['', /b?'(?:\\[^']+|\\'|[^'\\])'/y],
  ...OTHERS,
]
// A template ends at its expressions, and goes on behind them.
const SCRIPT = [
  ...COMMENTS,
  ['string', /"(?:\\[\s\S]|[^"\\\n])*"/y],
  ['string', /'(?:\\[\s\S]|[^'\\\n])*'/y],
  ['template', /`(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y],
  ...OTHERS,
]
const TEMPLATE_GOES_ON = /\}(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y
const YAML = [
  ['comment', /(?<![^\s])#[^\n]*/y],
  ['', /"(?:\\.|[^"\\\n])*"/y],
  ['', /'[^'\n]*'/y],
  ['', /[^\s'"#]+/y],
  ['', /[\s\S]/y],
]

const LANGUAGES = { rs: RUST, ts: SCRIPT, mjs: SCRIPT, cjs: SCRIPT, c: C, h: C, yml: YAML }

/** The endings of the files that `textsOf` understands. */
export const endings = [...Object.keys(LANGUAGES), 'md']

/** Returns the texts of a file, in their order. */
export function textsOf(file, source) {
  const ending = file.split('.').at(-1)
  if (ending === 'md') return [{ kind: 'prose', isDoc: false, lines: numbered(1, source) }]
  const texts = []
  let before
  for (const token of tokens(source, LANGUAGES[ending])) {
    const start = source.lastIndexOf('\n', token.at - 1) + 1
    const isAlone = source.slice(start, token.at).trim() === ''
    const number = lineAt(source, token.at)
    if (token.kind !== 'comment') {
      texts.push({ kind: 'string', isDoc: false, lines: numbered(number, withoutDelimiters(token.text)) })
      continue
    }
    const marker = /^(?:\/\/[/!]?(?!\/)|\/\/+|\/\*\*?(?!\/)|#+!?)/.exec(token.text)?.[0] ?? ''
    const lines = numbered(number, withoutMarkers(token.text, marker))
    // Line comments below each other are one text.
    if (isAlone && before?.marker === marker && before.last === number - 1 && !marker.startsWith('/*')) {
      before.text.lines.push(...lines)
      before.last = number
      continue
    }
    const isFirst = texts.length === 0 && source.slice(0, token.at).replace(/^#!.*/, '').trim() === ''
    const isDoc = marker === '/**' || (ending === 'rs' && /^\/\/[/!]$/.test(marker)) || (isFirst && ending !== 'yml')
    const text = { kind: 'comment', isDoc, lines }
    texts.push(text)
    before = isAlone ? { marker, last: number, text } : undefined
  }
  return texts
}

/** Yields the comments and the string literals, each with its place. A template counts as strings. */
function* tokens(source, patterns) {
  let at = 0
  let code = ''
  // For each expression of a template around `at`: the braces that are open in it.
  const open = []
  while (at < source.length) {
    const [kind, text] = next(source, at, patterns, code, open)
    if (text === '{' && open.length > 0) open[open.length - 1]++
    if (text === '}' && open.length > 0) open[open.length - 1]--
    if (kind === 'template') {
      if (text.startsWith('}')) open.pop()
      if (text.endsWith('${')) open.push(0)
    }
    if (kind !== '') yield { kind, at, text }
    if (kind !== 'comment' && text.trim() !== '') code = text
    at += text.length
  }
}

function next(source, at, patterns, code, open) {
  if (patterns === SCRIPT && source[at] === '}' && open.at(-1) === 0) {
    return ['template', matchAt(TEMPLATE_GOES_ON, source, at) ?? source.slice(at)]
  }
  for (const [kind, pattern] of patterns) {
    // A division stands behind a value, a regular expression does not.
    if (patterns === SCRIPT && kind === '' && MAY_PRECEDE_REGULAR_EXPRESSION.test(code)) {
      const text = matchAt(REGULAR_EXPRESSION, source, at)
      if (text !== undefined) return ['', text]
    }
    const text = matchAt(pattern, source, at)
    if (text !== undefined) return [kind, text]
  }
  throw new Error(`nothing matches at ${at}`)
}

function matchAt(pattern, source, at) {
  pattern.lastIndex = at
  return pattern.exec(source)?.[0]
}

function withoutMarkers(text, marker) {
  if (!marker.startsWith('/*')) return text.slice(marker.length)
  return text
    .slice(marker.length)
    .replace(/\*\/$/, '')
    .replaceAll(/^[ \t]*\*/gm, '')
}

function withoutDelimiters(text) {
  return text.replace(/^[bc]?r?#*["'`]|^\}/, '').replace(/(?:["'`]#*|\$\{)$/, '')
}

function numbered(first, text) {
  return text.split('\n').map((line, index) => ({ number: first + index, text: line }))
}

function lineAt(source, at) {
  let number = 1
  for (let end = source.indexOf('\n'); end >= 0 && end < at; end = source.indexOf('\n', end + 1)) number++
  return number
}
