/** Parses the command line to a request. */
import { parseArgs } from 'node:util'
import type { EventType } from '../../api/event-types.js'
import type { ProcessFilter } from '../../api/options.js'
import { Users } from '../entries/users.js'
import { UsageError } from '../exit-codes.js'
import { COMMANDS, type Command, DEFAULT_EVENTS, SHELLS, SOURCES, optionsOf } from './options.js'
import * as values from './values.js'

/** A command and its options. */
export type Request =
  | { readonly command: 'help'; readonly about: Command }
  | { readonly command: 'version' }
  | ({ readonly command: 'watch' } & WatchOptions)
  | ({ readonly command: 'run' } & RunOptions)
  | ({ readonly command: 'wait' } & WaitOptions)
  | { readonly command: 'doctor'; readonly json: boolean }
  | { readonly command: 'completion'; readonly shell: (typeof SHELLS)[number] }

/** The options of all commands that show processes. */
export interface ShowOptions {
  readonly json: boolean
  /** How arguments are shown. */
  readonly args: 'shown' | 'redacted' | 'hidden'
  readonly source: (typeof SOURCES)[number]
}

export interface WatchOptions extends ShowOptions {
  readonly view: 'lines' | 'tree' | 'summary' | 'top'
  readonly filter: WatchFilter
  readonly types: readonly EventType[]
  readonly durationMs?: number
  readonly count?: number
  readonly intervalMs: number
  /** A path, or `-`. */
  readonly replay?: string
}

export interface WatchFilter extends ProcessFilter {
  /** The beginning of a container's id, or a pattern that it matches. */
  readonly container?: string | RegExp
}

export interface RunOptions extends ShowOptions {
  readonly program: string
  readonly programArgs: readonly string[]
  readonly output?: string
}

export interface WaitOptions extends ShowOptions {
  readonly pids: readonly number[]
  readonly durationMs?: number
}

const VIEWS = ['tree', 'summary', 'top'] as const

type Values = Readonly<Record<string, string | boolean | undefined>>

/** @throws UsageError */
export function parse(args: readonly string[], users: Users = new Users()): Request {
  const named = COMMANDS.find(({ name }) => name !== '' && name === args[0])
  const command = named ?? COMMANDS[0]!
  const given = split(named === undefined ? args : args.slice(1), command)
  if (given.values['help'] === true) return { command: 'help', about: command }
  if (given.values['version'] === true) return { command: 'version' }
  const show = showOptions(given.values)
  switch (command.name) {
    case 'run':
      return run(show, given)
    case 'wait':
      return wait(show, given)
    case 'doctor':
      refuseOperands(given.operands, command)
      return { command: 'doctor', json: show.json }
    case 'completion':
      if (given.operands.length !== 1)
        throw new UsageError(`completion: expected a shell: ${values.alternatives(SHELLS)}`)
      return { command: 'completion', shell: values.oneOf('completion', given.operands[0]!, SHELLS) }
    default:
      refuseOperands(given.operands, command)
      return watch(show, given.values, users)
  }
}

interface ParsedArgs {
  readonly values: Values
  readonly operands: readonly string[]
}

/** Splits options from operands. For `run`, options end at the first operand, because the rest are arguments of CMD. */
function split(args: readonly string[], command: Command): ParsedArgs {
  const entries = optionsOf(command).map(({ name, short, value }) => {
    const type: 'string' | 'boolean' = value === undefined ? 'boolean' : 'string'
    return [name, { type, ...(short === undefined ? {} : { short }) }] as const
  })
  const options = Object.fromEntries(entries)
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const end = tokens.find(({ kind }) => kind !== 'option')
  const operands = end === undefined ? [] : args.slice(end.index + (end.kind === 'option-terminator' ? 1 : 0))
  // For other commands, options may stand anywhere.
  const mixed = command.name !== 'run'
  try {
    const own = mixed ? args : args.slice(0, end?.index)
    const parsed = parseArgs({ args: [...own], options, strict: true, allowPositionals: mixed })
    return { values: parsed.values as Values, operands: mixed ? parsed.positionals : operands }
  } catch (error) {
    // Remove the advice on arguments that begin with a dash, because there are none.
    if (error instanceof Error) throw new UsageError(error.message.replace(/\. To specify a positional .*/s, ''))
    throw error
  }
}

function refuseOperands([first]: readonly string[], { name }: Command): void {
  if (first === undefined) return
  if (name !== '') throw new UsageError(`${name}: unexpected argument '${first}'`)
  const isNamed = first !== '' && COMMANDS.some((command) => command.name === first)
  throw new UsageError(isNamed ? `put the command '${first}' before all options` : `unknown command '${first}'`)
}

function showOptions(given: Values): ShowOptions {
  const source = text(given, 'source')
  if (given['no-args'] === true && given['redact'] === true)
    throw new UsageError('--no-args and --redact cannot be combined')
  return {
    json: given['json'] === true,
    args: given['no-args'] === true ? 'hidden' : given['redact'] === true ? 'redacted' : 'shown',
    source: source === undefined ? 'netlink' : values.oneOf('--source', source, SOURCES),
  }
}

function watch(show: ShowOptions, given: Values, users: Users): Request {
  const [view, another] = VIEWS.filter((name) => given[name] === true)
  if (another !== undefined) throw new UsageError(`--${view} and --${another} cannot be combined`)
  const events = text(given, 'events')
  const interval = text(given, 'interval')
  const count = text(given, 'count')
  const replay = text(given, 'replay')
  return {
    command: 'watch',
    ...show,
    view: view ?? 'lines',
    filter: filter(given, users),
    types: events === undefined ? DEFAULT_EVENTS : values.eventTypes('--events', events),
    intervalMs: (interval === undefined ? 1 : values.seconds('--interval', interval)) * 1000,
    ...duration(given),
    ...(count === undefined ? {} : { count: values.count('--count', count) }),
    ...(replay === undefined ? {} : { replay }),
  }
}

function filter(given: Values, users: Users): WatchFilter {
  const patterns = { name: 'name', exe: 'exe', commandLine: 'cmd', cgroup: 'cgroup', container: 'container' }
  const entries = Object.entries(patterns).flatMap(([field, option]) => {
    const value = text(given, option)
    return value === undefined ? [] : [[field, values.pattern(`--${option}`, value)] as const]
  })
  const [user, ancestor] = [text(given, 'user'), text(given, 'pid')]
  return {
    ...Object.fromEntries(entries),
    ...(user === undefined ? {} : { uid: values.user('--user', user, users) }),
    ...(ancestor === undefined ? {} : { ancestor: values.pid('--pid', ancestor) }),
  }
}

function run(show: ShowOptions, given: ParsedArgs): Request {
  const [program, ...programArgs] = given.operands
  if (program === undefined) throw new UsageError('run: missing command. Usage: proc-events run -- CMD [ARG...]')
  const output = text(given.values, 'output')
  return { command: 'run', ...show, program, programArgs, ...(output === undefined ? {} : { output }) }
}

function wait(show: ShowOptions, given: ParsedArgs): Request {
  if (given.operands.length === 0) throw new UsageError('wait: missing PID. Usage: proc-events wait PID...')
  const pids = [...new Set(given.operands.map((operand) => values.pid('PID', operand)))]
  return { command: 'wait', ...show, pids, ...duration(given.values) }
}

function duration(given: Values): { readonly durationMs?: number } {
  const value = text(given, 'duration')
  return value === undefined ? {} : { durationMs: values.seconds('--duration', value) * 1000 }
}

function text(given: Values, option: string): string | undefined {
  const value = given[option]
  return typeof value === 'string' ? value : undefined
}
