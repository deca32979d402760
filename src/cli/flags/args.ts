/** Parses the command line to a request. */
import { parseArgs } from 'node:util'
import type { EventType, ProcessField } from '../../api/event-types.js'
import { nearest } from '../../api/nearest.js'
import { Users } from '../entries/users.js'
import { UsageError } from '../exit-codes.js'
import { inWords } from '../output/format.js'
import { COMMANDS, type Command, FORMATS, OPTIONS, SHELLS, SORT_KEYS, SOURCES, WEIGHTS, optionsOf } from './options.js'
import { type Values, text } from './given.js'
import {
  type SelectionOptions,
  type StreamOptions,
  minDuration,
  selectionOf,
  streamOptions,
  typesOf,
} from './stream.js'
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
  /** The details that are captured. Absent: the command chooses. */
  readonly capture?: readonly ProcessField[]
  /** The time that an event may wait, in milliseconds. Absent: the command chooses. */
  readonly latencyMs?: number
}

export interface WatchOptions extends ShowOptions, SelectionOptions, StreamOptions {
  readonly view: 'lines' | 'tree' | 'summary' | 'top'
  readonly filter: WatchFilter
  readonly types: readonly EventType[]
  readonly durationMs?: number
  readonly count?: number
  readonly intervalMs: number
  /** True: exit lines show CPU time and memory. */
  readonly usage: boolean
  /** A path, or `-`. */
  readonly replay?: string
}

/** A text that must be equal, or a pattern that must match. */
export type Pattern = string | RegExp

/** Selects processes. Each property lists alternatives. All properties must match, except `pid` and `ancestor`: one of them. */
export interface WatchFilter {
  readonly name?: readonly Pattern[]
  readonly exe?: readonly Pattern[]
  readonly commandLine?: readonly Pattern[]
  readonly cgroup?: readonly Pattern[]
  readonly uid?: readonly number[]
  /** The beginning of a container's id, or a pattern that it matches. */
  readonly container?: readonly Pattern[]
  /** The processes themselves. */
  readonly pid?: readonly number[]
  /** The processes whose descendants match. */
  readonly ancestor?: readonly number[]
}

/** The command to run, or the recording to report: a path, or `-`. */
export type RunTarget =
  { readonly command: readonly [program: string, ...args: string[]] } | { readonly replay: string }

export interface RunOptions extends ShowOptions {
  readonly target: RunTarget
  /** `json` is true for the format json. */
  readonly format: (typeof FORMATS)[number]
  readonly weight: (typeof WEIGHTS)[number]
  readonly output?: string
  readonly sort: (typeof SORT_KEYS)[number]
  /** The shortest lifetime that is shown, in milliseconds. */
  readonly minDurationMs: number
  /** True: the tree is followed by totals by program. */
  readonly totals: boolean
}

export interface WaitOptions extends ShowOptions {
  readonly pids: readonly number[]
  readonly durationMs?: number
}

const VIEWS = ['tree', 'summary', 'top'] as const

/** @throws UsageError */
export function parse(args: readonly string[], users: Users = new Users()): Request {
  const named = COMMANDS.find(({ name }) => name !== '' && name === args[0])
  if (named === undefined) return parseFor(COMMANDS[0]!, args, users)
  try {
    return parseFor(named, args.slice(1), users)
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(error.message, error.command ?? named.name) : error
  }
}

function parseFor(command: Command, args: readonly string[], users: Users): Request {
  const given = split(args, command)
  if (given.values['help'] === true) return { command: 'help', about: command }
  if (given.values['version'] === true) return { command: 'version' }
  refuseRepeated(given.names, command)
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
      if (given.operands.length !== 1) throw new UsageError(`completion: expected a shell: ${inWords(SHELLS, 'or')}`)
      return { command: 'completion', shell: values.oneOf('completion', given.operands[0]!, SHELLS) }
    default:
      refuseOperands(given.operands, command)
      return watch(show, given.values, users)
  }
}

interface ParsedArgs {
  /** The names of the options, each as often as it is given. */
  readonly names: readonly string[]
  readonly values: Values
  readonly operands: readonly string[]
}

/** Splits options from operands. For `run`, options end at the first operand, because the rest are arguments of CMD. */
function split(args: readonly string[], command: Command): ParsedArgs {
  const entries = optionsOf(command).map(({ name, short, value, repeatable: multiple = false }) => {
    const type: 'string' | 'boolean' = value === undefined ? 'boolean' : 'string'
    return [name, { type, multiple, ...(short === undefined ? {} : { short }) }] as const
  })
  const options = Object.fromEntries(entries)
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const end = tokens.find(({ kind }) => kind !== 'option')
  const operands = end === undefined ? [] : args.slice(end.index + (end.kind === 'option-terminator' ? 1 : 0))
  // For other commands, options may stand anywhere.
  const mixed = command.name !== 'run'
  for (const token of tokens) {
    const isOwn = mixed || end === undefined || token.index < end.index
    if (isOwn && token.kind === 'option' && !Object.hasOwn(options, token.name))
      throw unknownOption(args[token.index]!, command)
  }
  try {
    const own = mixed ? args : args.slice(0, end?.index)
    const parsed = parseArgs({ args: [...own], options, strict: true, allowPositionals: mixed, tokens: true })
    const names = parsed.tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
    return { names, values: parsed.values as Values, operands: mixed ? parsed.positionals : operands }
  } catch (error) {
    // Remove the advice on arguments that begin with a dash, because there are none.
    if (error instanceof Error) throw new UsageError(error.message.replace(/\. To specify a positional .*/s, ''))
    throw error
  }
}

/** `argument` is as on the command line, such as `--nmae=x` or `-x`. */
function unknownOption(argument: string, command: Command): UsageError {
  const flag = argument.replace(/=.*/s, '')
  const name = flag.replace(/^--?/, '')
  const owners = COMMANDS.filter(({ options }) => options.includes(name))
  if (owners.length > 0 && !owners.includes(command) && flag === `--${name}`)
    return new UsageError(`${flag} is an option of ${commandNames(owners)}`, helpOf(owners))
  const near = nearest(name, command.options)
  if (near !== undefined) return new UsageError(`unknown option '${flag}'. Did you mean '--${near}'?`)
  const foreign = nearest(
    name,
    OPTIONS.map((option) => option.name),
  )
  if (foreign === undefined) return new UsageError(`unknown option '${flag}'`)
  const others = COMMANDS.filter(({ options }) => options.includes(foreign))
  const hint = `Did you mean '--${foreign}', an option of ${commandNames(others)}?`
  return new UsageError(`unknown option '${flag}'. ${hint}`, helpOf(others))
}

function commandNames(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name || 'proc-events without a command')
  return inWords(names.toReversed(), 'and')
}

/** Returns the one command whose help explains the options. undefined: the help of the command that is parsed does. */
function helpOf([command, another]: readonly Command[]): string | undefined {
  return another === undefined && command?.name !== '' ? command?.name : undefined
}

/** The last value would silently replace the others. */
function refuseRepeated(names: readonly string[], command: Command): void {
  for (const { name, repeatable } of optionsOf(command)) {
    if (repeatable !== true && names.indexOf(name) !== names.lastIndexOf(name))
      throw new UsageError(`--${name}: given more than once`)
  }
}

function refuseOperands([first]: readonly string[], { name }: Command): void {
  if (first === undefined) return
  if (name !== '') throw new UsageError(`${name}: unexpected argument '${first}'`)
  const names = COMMANDS.map((command) => command.name).filter(Boolean)
  if (names.includes(first)) throw new UsageError(`put the command '${first}' before all options`)
  const isOption = OPTIONS.some((option) => option.name === first)
  const near = isOption ? `--${first}` : nearest(first, names)
  throw new UsageError(`unknown command '${first}'${values.didYouMean(near)}`)
}

function showOptions(given: Values): ShowOptions {
  const [source, latency, capture] = ['source', 'latency', 'capture'].map((option) => text(given, option))
  if (given['no-args'] === true && given['redact'] === true)
    throw new UsageError('--no-args and --redact cannot be combined')
  return {
    json: given['json'] === true,
    args: given['no-args'] === true ? 'hidden' : given['redact'] === true ? 'redacted' : 'shown',
    source: source === undefined ? 'netlink' : values.oneOf('--source', source, SOURCES),
    ...(capture === undefined ? {} : { capture: values.fields('--capture', capture) }),
    ...(latency === undefined ? {} : { latencyMs: values.duration('--latency', latency, values.LATENCY) }),
  }
}

function watch(show: ShowOptions, given: Values, users: Users): Request {
  const [view, another] = VIEWS.filter((name) => given[name] === true)
  if (another !== undefined) throw new UsageError(`--${view} and --${another} cannot be combined`)
  const events = text(given, 'events')
  const interval = text(given, 'interval')
  const count = text(given, 'count')
  const replay = text(given, 'replay')
  const selection = selectionOf(given)
  const stream = streamOptions(given)
  const json = show.json || stream.output !== undefined
  return {
    command: 'watch',
    ...show,
    json,
    view: view ?? 'lines',
    filter: filter(given, users),
    usage: given['usage'] === true,
    types: typesOf(events, selection),
    ...selection,
    intervalMs: interval === undefined ? 1000 : values.duration('--interval', interval, values.TIMER),
    ...stream,
    ...duration(given),
    ...(count === undefined ? {} : { count: values.count('--count', count) }),
    ...(replay === undefined ? {} : { replay }),
  }
}

/** The options of each property of the filter, and the parser of their values. */
const FILTERS: { readonly [K in keyof Required<WatchFilter>]: readonly [option: string, parse: ParseFilter<K>] } = {
  name: ['name', values.namePattern],
  exe: ['exe', values.pathPattern],
  commandLine: ['cmd', values.pattern],
  cgroup: ['cgroup', values.pathPattern],
  uid: ['user', values.user],
  container: ['container', values.idPattern],
  pid: ['pid', values.pid],
  ancestor: ['descendants-of', values.pid],
}

type ParseFilter<K extends keyof WatchFilter> = (
  option: string,
  text: string,
  users: Users,
) => Required<WatchFilter>[K][number]

function filter(given: Values, users: Users): WatchFilter {
  const entries = Object.entries(FILTERS).flatMap(([property, [option, parseOne]]) => {
    const texts = given[option]
    return Array.isArray(texts) ? [[property, texts.map((one) => parseOne(`--${option}`, one, users))]] : []
  })
  return Object.fromEntries(entries) as WatchFilter
}

function run(show: ShowOptions, given: ParsedArgs): Request {
  const [output, sort] = ['output', 'sort'].map((option) => text(given.values, option))
  const form = text(given.values, 'format')
  const weight = text(given.values, 'weight')
  if (form !== undefined && show.json) throw new UsageError('--json and --format cannot be combined')
  const format = show.json ? 'json' : form === undefined ? 'tree' : values.oneOf('--format', form, FORMATS)
  if (weight !== undefined && format !== 'folded') throw new UsageError('--weight needs --format folded')
  if (given.values['totals'] === true && format !== 'tree') throw new UsageError('--totals needs --format tree')
  return {
    command: 'run',
    ...show,
    json: format === 'json',
    target: target(given),
    format,
    weight: weight === undefined ? 'time' : values.oneOf('--weight', weight, WEIGHTS),
    sort: sort === undefined ? 'start' : values.oneOf('--sort', sort, SORT_KEYS),
    totals: given.values['totals'] === true,
    minDurationMs: minDuration(given.values),
    ...(output === undefined ? {} : { output }),
  }
}

function target({ operands, values: given }: ParsedArgs): RunTarget {
  const [program, ...args] = operands
  const replay = text(given, 'replay')
  if (replay !== undefined && program !== undefined) throw new UsageError('run: --replay takes the place of CMD')
  if (replay !== undefined) return { replay }
  if (program === undefined) throw new UsageError('run: missing command. Usage: proc-events run -- CMD [ARG...]')
  return { command: [program, ...args] }
}

function wait(show: ShowOptions, given: ParsedArgs): Request {
  if (given.operands.length === 0) throw new UsageError('wait: missing PID. Usage: proc-events wait PID...')
  const pids = [...new Set(given.operands.map((operand) => values.pid('PID', operand)))]
  return { command: 'wait', ...show, pids, ...duration(given.values) }
}

function duration(given: Values): { readonly durationMs?: number } {
  const value = text(given, 'duration')
  return value === undefined ? {} : { durationMs: values.duration('--duration', value, values.TIMER) }
}
