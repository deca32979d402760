/** What can be asked of the `proc-events` command: the one table of its options, which --help and the parser read. */
import { parseArgs } from 'node:util'
import { EXIT_CODES, UsageError } from './outcome.js'

export interface Option {
  /** Without the leading dashes. */
  readonly name: string
  /** The one-letter form. */
  readonly short?: string
  /** What its value is called; an option without one is a switch. */
  readonly value?: string
  readonly summary: string
}

export const OPTIONS: readonly Option[] = [
  { name: 'json', summary: 'print one JSON object a line' },
  { name: 'name', value: 'PATTERN', summary: 'only names that match this JavaScript regex' },
  { name: 'duration', value: 'SECONDS', summary: 'end after this time' },
  { name: 'help', short: 'h', summary: 'print this help' },
  { name: 'version', summary: 'print the version' },
]

const ENVIRONMENT = [
  ['NO_COLOR', 'print no colours'],
  ['FORCE_COLOR', 'print colours even where stdout is no terminal; 0: print none'],
  ['HOST_PROC', "where the host's proc file system is mounted (default: /proc)"],
] as const

/** What was asked for. */
export type Request = { readonly command: 'help' | 'version' } | ({ readonly command: 'watch' } & WatchOptions)

export interface WatchOptions {
  readonly json: boolean
  readonly name?: RegExp
  readonly durationMs?: number
}

/** The longest delay that a timer takes, in whole seconds: 24 days. */
const SECONDS_MAX = Math.floor((2 ** 31 - 1) / 1000)

/** @throws UsageError */
export function parse(args: readonly string[]): Request {
  const values = parseValues(args)
  if (values['help'] === true) return { command: 'help' }
  if (values['version'] === true) return { command: 'version' }
  const { name, duration } = values
  return {
    command: 'watch',
    json: values['json'] === true,
    ...(typeof name === 'string' ? { name: pattern('--name', name) } : {}),
    ...(typeof duration === 'string' ? { durationMs: seconds('--duration', duration) * 1000 } : {}),
  }
}

export function help(): string {
  const rows = OPTIONS.map((option): [string, string] => [
    `${option.short ? `-${option.short}, ` : ''}--${option.name}${option.value ? ` ${option.value}` : ''}`,
    option.summary,
  ])
  const codes = Object.values(EXIT_CODES).map(({ code, meaning }): [string, string] => [String(code), meaning])
  return `Usage: proc-events [options]

Prints a line whenever a process of this machine starts a program (exec) or
exits, until Ctrl-C.

Options:
${table(rows)}

Exit codes:
${table(codes)}

Events go to stdout, everything else to stderr.

Environment:
${table(ENVIRONMENT)}
`
}

function parseValues(args: readonly string[]): Record<string, unknown> {
  const entries = OPTIONS.map(({ name, ...option }) => {
    const type: 'string' | 'boolean' = option.value === undefined ? 'boolean' : 'string'
    return [name, { type, ...(option.short === undefined ? {} : { short: option.short }) }] as const
  })
  try {
    return parseArgs({ args: [...args], options: Object.fromEntries(entries), strict: true }).values
  } catch (error) {
    // To an unknown option it adds advice on arguments that begin with a dash: here there are none.
    if (error instanceof Error) throw new UsageError(error.message.replace(/\. To specify a positional .*/s, ''))
    throw error
  }
}

function pattern(option: string, text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw new UsageError(`${option}: ${error instanceof Error ? error.message : error}`)
  }
}

function seconds(option: string, text: string): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (value > 0 && value <= SECONDS_MAX) return value
  throw new UsageError(`${option} must be a number of seconds above 0, at most ${SECONDS_MAX}, and is '${text}'`)
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
