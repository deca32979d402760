/** Finds secrets by the program that gets them: `curl -u USER:SECRET`, `mysql -pSECRET`. */
import { type After, type Program, WRAPPERS, programCalled } from './programs.js'

/** Finds the confidential words of one command line, word by word. Most programs count in any place, because of wrappers such as ssh. */
export class Command {
  /** The programs called so far, and the operands of each. */
  readonly #called = new Map<Program, { operands: number; isActive: boolean }>()
  /** The confidential part of the next word; null: none. */
  #pending: After | null = null
  /** If true, the next word may be the command's own name. */
  #mayBegin = true

  /** Returns the position in the word from which it is confidential; -1: it is not. */
  next(word: string): number {
    const pending = this.#pending
    this.#pending = null
    if (pending !== null) return startAfter(word, 0, pending)
    let start = isOption(word) ? this.#option(word) : this.#operand(word)
    if (start < 0) start = windowsOption(word)
    const program = programCalled(word)
    if (program !== undefined && (this.#mayBegin || !program.isOrdinaryWord) && !this.#called.has(program)) {
      this.#called.set(program, { operands: 0, isActive: program.subcommands.length === 0 })
    }
    if (this.#mayBegin) this.#mayBegin = isBeforeCommand(word)
    return start
  }

  #option(word: string): number {
    for (const [program, { isActive }] of this.#called) {
      if (!isActive) continue
      const start = this.#optionOf(program, word)
      if (start >= 0 || this.#pending !== null) return start
    }
    return -1
  }

  #optionOf(program: Program, word: string): number {
    const { options, attached, prefixes, flags } = program
    const separator = word.length < 4 ? 0 : (/^[-/][\w-]{1,30}[=:]/.exec(word)?.[0].length ?? 0)
    const long = separator > 2 ? options.get(word.slice(0, separator - 1)) : undefined
    if (long !== undefined) return startAfter(word, separator, long)
    const whole = word.length < OPTION_MAX ? options.get(word) : undefined
    if (whole !== undefined) {
      if (!attached.has(word)) this.#pending = whole
      return -1
    }
    if (word.startsWith('--') || !word.startsWith('-')) return -1
    const prefix = prefixes.find((option) => word.startsWith(option))
    if (prefix !== undefined) return startAfter(word, prefix.length, '')
    // Short options: "-sSuUSER:SECRET".
    let at = 1
    while (at < word.length && flags.includes(word[at]!) && !options.has(`-${word[at]!}`)) at++
    const after = options.get(`-${word[at] ?? ''}`)
    if (after === undefined) return -1
    if (at + 1 < word.length) return startAfter(word, at + 1, after)
    if (!attached.has(`-${word[at]!}`)) this.#pending = after
    return -1
  }

  #operand(word: string): number {
    for (const [program, call] of this.#called) {
      if (program.subcommands.includes(word)) call.isActive = true
      call.operands++
      if (call.isActive && call.operands === program.operand) {
        // "sqlplus @FILE" and "sqlplus / as sysdba" have no password.
        if (program.operandAfter !== '' && /^[@/]/.test(word)) return -1
        return startAfter(word, 0, program.operandAfter)
      }
    }
    return -1
  }
}

/** Longer words are no option without a value. */
const OPTION_MAX = 32

function isOption(word: string): boolean {
  return word.length > 1 && (word[0] === '-' || (word[0] === '/' && /^\/[a-z]+(?::|$)/i.test(word)))
}

/** Returns true if the command's name may follow this word. */
function isBeforeCommand(word: string): boolean {
  return (
    word.startsWith('-') ||
    /^(?:\w{1,99}=|[\d.]{1,9}[smhd]?$)/.test(word) ||
    WRAPPERS.has(word.slice(word.lastIndexOf('/') + 1))
  )
}

/** Returns -1 if the value lacks the character, or has nothing after it. */
function startAfter(word: string, from: number, after: After): number {
  const at = after === '' ? from : word.indexOf(after, from) + 1
  return (after !== '' && at === 0) || at >= word.length ? -1 : at
}

/** `/p:SECRET` of Windows programs, unless it is a property: `/p:NAME=VALUE` of MSBuild. */
function windowsOption(word: string): number {
  return word[0] === '/' &&
    word.length > 3 &&
    /^\/[pP]:/.test(word) &&
    !/^[A-Za-z_][\w.]*=/.test(word.slice(3, 3 + NAME_MAX))
    ? 3
    : -1
}

const NAME_MAX = 100
