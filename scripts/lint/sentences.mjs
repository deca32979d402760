// Fails on a sentence that leaves its subject open. `node scripts/lint/sentences.mjs [root]` prints one line for each
// violation, `--count` only how many there are, by rule and by folder. The rules:
//
// - A doc comment begins with its subject or its verb, not with one of OPENERS.
// - PEOPLE stand for people. They are allowed right behind a noun for people ("users who"), and where this line or the one
//   before says `people: REASON` in a comment. `nobody` is a user's name: in quotes, and beside "user".
// - A sentence has at most MAX_WORDS words.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { endings, textsOf } from './texts.mjs'

const OPENERS = /^(?:(?:what|who|whom|whoever|whether|of|else|those|that)$|\.\.\.|…)/i
/** In lower case, `whose` is good English for things. */
const PEOPLE = /^(?:[Ww]ho|[Ww]hom|Whose|[Ww]hoever|[Nn]obody|[Ss]omebody|[Aa]nybody|[Ee]verybody)$/
const NOUNS_FOR_PEOPLE =
  /^(?:people|persons?|anyone|someone|everyone|users?|maintainers?|contributors?|developers?|administrators?|authors?)$/i
const ESCAPE = /\bpeople: \S/
/** The goal is 25. This is where a sentence has to be split. */
const MAX_WORDS = 30

const GENERATED = /\.d\.ts$|^(?:docs\/api|npm|man|target)\//
const WITH_MESSAGES = /^(?:src|crates\/[^/]+\/src)\/.*\.(?:ts|rs)$/
const ABBREVIATION = /^\(?(?:e\.g|i\.e|etc|cf|vs|ca)\.$/i

const isCount = process.argv.includes('--count')
const folder = process.argv.slice(2).find((word) => !word.startsWith('--')) ?? join(import.meta.dirname, '..', '..')
const root = resolve(folder)
const violations = trackedFiles().flatMap((file) => check(file, readFileSync(join(root, file), 'utf8')))
if (isCount) printCounts()
else for (const { file, line, message } of violations) console.log(`${file}:${line}: ${message}`)
process.exitCode = violations.length > 0 ? 1 : 0

/** Returns what git tracks, and new files that it does not ignore. */
function trackedFiles() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard']
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`git ls-files: ${stderr}`)
  return stdout
    .split('\n')
    .filter((file) => endings.includes(file.split('.').at(-1)) && !GENERATED.test(file) && existsSync(join(root, file)))
}

/** Returns `{ file, line, rule, message }` for each violation in a file. */
function check(file, source) {
  const escaped = new Set(
    source.split('\n').flatMap((line, index) => (ESCAPE.test(line) ? [index + 1, index + 2] : [])),
  )
  const found = []
  for (const text of textsOf(file, source)) {
    const isString = text.kind === 'string'
    if (isString && !isMessage(file, text)) continue
    for (const { words, isOpening } of paragraphsOf(text)) {
      if (text.isDoc && isOpening) found.push(...checkOpening(words))
      found.push(...checkPeople(words).filter(({ line }) => !escaped.has(line)))
      if (!isString) found.push(...checkLength(words))
    }
  }
  for (const violation of found) violation.file = file
  return found
}

/** Returns true if a string literal may be the text of an error or of a help. */
function isMessage(file, { lines }) {
  return WITH_MESSAGES.test(file) && lines.some(({ text }) => text.trim().includes(' '))
}

function checkOpening([{ text, line }]) {
  const word = text.replaceAll(/^[^\w.…]+|(?<=\w)\W+$/g, '')
  return OPENERS.test(word) ? [{ rule: 'opening', line, message: `"${word} …": start with the subject` }] : []
}

function checkPeople(words) {
  return words.flatMap(({ text, line }, index) =>
    isMisused(words, index) ? [{ rule: 'people', line, message: `"${bare(text)}" is for people: name the actor` }] : [],
  )
}

/** Returns true if a word for people stands for something else. */
function isMisused(words, index) {
  const word = bare(words[index].text)
  if (!PEOPLE.test(word)) return false
  const before = words.slice(Math.max(0, index - 3), index).map(({ text }) => bare(text))
  if (before.some((noun) => NOUNS_FOR_PEOPLE.test(noun))) return false
  return !/^user/i.test(bare(words[index + 1]?.text ?? ''))
}

function checkLength(words) {
  return sentencesOf(words)
    .filter((sentence) => sentence.length > MAX_WORDS)
    .map((sentence) => {
      const begin = sentence.slice(0, 5).map(({ text }) => text)
      const message = `${sentence.length} words, the limit is ${MAX_WORDS}: "${begin.join(' ')} …"`
      return { rule: 'length', line: sentence[0].line, message }
    })
}

/**
 * Returns the paragraphs of a text as words with their lines, without code. `isOpening` is true for the first one, and for
 * the description of a JSDoc tag.
 */
function paragraphsOf({ kind, lines }) {
  const paragraphs = []
  let words = []
  let isOpening = true
  let isCode = false
  const end = (nextIsOpening) => {
    if (words.length > 0) paragraphs.push({ words, isOpening })
    if (words.length > 0 || nextIsOpening) isOpening = nextIsOpening
    words = []
  }
  for (const { number, text } of lines) {
    if (/^\s*(?:```|~~~)/.test(text)) isCode = !isCode
    const isSample = kind === 'comment' && /^ {4}|\S {3,}\S/.test(text)
    if (isCode || isSample || /^\s*(?:```|~~~|$)/.test(text)) {
      end(false)
      continue
    }
    const tag = /^\s*@(?:(?:param|property|template)\s+\S+|throws\s+(?:\{@link \w+\}|\S+)|\w+)(?:\s+-)?/.exec(text)?.[0]
    if (tag !== undefined) end(true)
    else if (/^\s*(?:[-*+]|\d+\.|#+|>|\|)\s/.test(text)) end(false)
    for (const cell of text.slice(tag?.length ?? 0).split(/^\s*\||\|\s*$|\s\|\s/)) {
      words.push(...wordsOf(cell).map((word) => ({ text: word, line: number })))
      if (/^\s*\|/.test(text)) end(false)
    }
    if (/^\s*#+\s/.test(text)) end(false)
  }
  end(false)
  return paragraphs
}

/** Splits a line into words. Code in backticks is one word, and the target of a link is none. */
function wordsOf(line) {
  return line
    .replaceAll(/`[^`]*`/g, (code) => code.replaceAll(/\s/g, '\u00A0'))
    .replaceAll(/\]\([^)\s]*\)/g, ']')
    .split(/[ \t]+/)
    .filter((word) => /[\w…]|\.\.\./.test(word))
}

/** Splits words behind a full stop, a question mark or an exclamation mark that a new sentence follows. */
function sentencesOf(words) {
  const sentences = [[]]
  for (const [index, word] of words.entries()) {
    sentences.at(-1).push(word)
    const isEnd = /[.!?…:]["'”’)*_\]]*$/.test(word.text) && !ABBREVIATION.test(word.text)
    const next = words[index + 1]?.text
    if (isEnd && next !== undefined && /^[^a-z]/.test(next)) sentences.push([])
  }
  return sentences
}

function bare(word) {
  return word.replaceAll(/^[^\w`'"“‘]+|[^\w`'"”’]+$/g, '').replace(/['’]s$/, '')
}

function printCounts() {
  const rules = ['opening', 'people', 'length']
  const folders = new Map()
  for (const violation of violations) {
    const name = violation.file.split('/').slice(0, -1).slice(0, 4).join('/') || '.'
    folders.set(name, [...(folders.get(name) ?? []), violation])
  }
  const row = (cells, name) => console.log([...cells.map((cell) => String(cell).padStart(8)), `  ${name}`].join(''))
  row([...rules, 'all'], 'folder')
  for (const [name, found] of [...folders].sort(([a], [b]) => a.localeCompare(b))) row(counts(found), name)
  row(counts(violations), 'total')

  function counts(found) {
    return [...rules.map((rule) => found.filter((of) => of.rule === rule).length), found.length]
  }
}
