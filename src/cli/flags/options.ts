/** What can be asked of the `proc-events` command: the one table that the parser, --help, the manual and completions read. */
import type { EventType } from '../../api/event-types.js'
import { EVENT_TYPES } from '../../native/record.js'

/** What a value is, for the completion of shells. */
export type ValueKind = 'text' | 'number' | 'file' | 'user' | 'pid' | readonly string[]

export interface Option {
  /** Without the leading dashes. */
  readonly name: string
  /** The one-letter form. */
  readonly short?: string
  /** What its value is called; an option without one is a switch. */
  readonly value?: string
  readonly kind?: ValueKind
  /** In a line of --help, which options that follow each other share if they share the words. */
  readonly brief: string
  /** In the manual, whole sentences. */
  readonly text: string
}

export interface Command {
  /** Empty: what is done where no command is named. */
  readonly name: string
  /** What follows it on the command line. */
  readonly operands: string
  readonly brief: string
  readonly text: string
  /** The names of its options. */
  readonly options: readonly string[]
}

export const DEFAULT_EVENTS: readonly EventType[] = ['exec', 'exit']
export const EVENTS: readonly EventType[] = [
  ...DEFAULT_EVENTS,
  ...EVENT_TYPES.filter((type) => !DEFAULT_EVENTS.includes(type)),
]
export const SOURCES = ['netlink', 'polling', 'auto'] as const
export const SHELLS = ['bash', 'zsh', 'fish'] as const

const WHO = 'only equal to TEXT, or matching /REGEX/'
const ARGUMENTS = 'show no arguments; hide passwords and the like in them'

export const OPTIONS: readonly Option[] = [
  {
    name: 'tree',
    brief: 'indent children under their parents',
    text: 'Indents each process under its parent. A parent is repeated, dimmed, where other lines came in between.',
  },
  {
    name: 'summary',
    brief: 'show no events, only what they came to',
    text: 'Shows no events, only what they came to: counts and rates by program, lifetimes (median and 99th percentile), failures and the busiest parents.',
  },
  {
    name: 'top',
    brief: 'the busiest programs, refreshed, until q',
    text: 'Shows the busiest programs, refreshed, until q or Ctrl-C. Where standard output is no terminal, one screen follows another.',
  },
  {
    name: 'json',
    brief: 'print one JSON object a line',
    text: 'Prints JSON, one object a line: see JSON below.',
  },
  {
    name: 'name',
    value: 'TEXT',
    kind: 'text',
    brief: WHO,
    text: "Only processes of that name: the kernel's, completed where it cuts it at 15 bytes. TEXT must be equal; between slashes it is a JavaScript regular expression that must match somewhere (/x/i: in either case). So for the next three.",
  },
  {
    name: 'exe',
    value: 'TEXT',
    kind: 'file',
    brief: WHO,
    text: "Only processes of which that is the path of the program's file.",
  },
  {
    name: 'cmd',
    value: 'TEXT',
    kind: 'text',
    brief: WHO,
    text: 'Only processes with that command line, joined by spaces.',
  },
  { name: 'cgroup', value: 'TEXT', kind: 'text', brief: WHO, text: 'Only processes of that control group.' },
  {
    name: 'user',
    value: 'USER',
    kind: 'user',
    brief: 'only those of this user',
    text: 'Only processes of that user, a name or a number.',
  },
  {
    name: 'container',
    value: 'ID',
    kind: 'text',
    brief: 'only those in the container whose id begins so',
    text: 'Only processes in the container whose id begins with that, or matches it between slashes.',
  },
  {
    name: 'pid',
    value: 'PID',
    kind: 'pid',
    brief: 'only descendants of this process',
    text: 'Only descendants of that process, also those that others have adopted.',
  },
  {
    name: 'events',
    value: 'LIST',
    kind: EVENTS,
    brief: 'exec,exit; fork,comm,uid,gid,sid,ptrace,coredump; all',
    text: `Which events, separated by commas: ${EVENTS.join(', ')}; or all. Default: exec,exit.`,
  },
  { name: 'duration', value: 'SECONDS', kind: 'number', brief: 'end after this time', text: 'Ends after this time.' },
  { name: 'count', value: 'N', kind: 'number', brief: 'end after N events', text: 'Ends after so many events.' },
  {
    name: 'interval',
    value: 'SECONDS',
    kind: 'number',
    brief: 'how often --top is refreshed (1)',
    text: 'How often --top is refreshed. Default: 1.',
  },
  { name: 'no-args', brief: ARGUMENTS, text: 'Reads and shows no arguments, only names.' },
  {
    name: 'redact',
    brief: ARGUMENTS,
    text: 'Replaces in arguments what follows words such as password, token, secret, key and authorization, and the user:password of URLs, by [redacted]: in options, variables, headers, forms, JSON and scripts. It errs on the side of hiding. What is not named so, or is told in another way (mysql -pSECRET), stays: use --no-args where nothing may be shown. Filters judge the arguments as they are.',
  },
  {
    name: 'source',
    value: 'SOURCE',
    kind: SOURCES,
    brief: 'netlink; polling, which misses short lives; auto',
    text: "Where events come from: netlink, the kernel's process connector, or an error (default); polling, looks at /proc, which miss short-lived processes; auto, netlink where it can be had, else polling.",
  },
  {
    name: 'replay',
    value: 'FILE',
    kind: 'file',
    brief: 'show what --json wrote (-: standard input)',
    text: 'Shows, in any view and through any filter, what --json has written to that file; - is standard input. Parents are followed as far as the file tells of them: have it written with --events all.',
  },
  {
    name: 'output',
    value: 'FILE',
    kind: 'file',
    brief: 'write the report there, not to standard error',
    text: 'Writes the report to that file instead of standard error.',
  },
  { name: 'help', short: 'h', brief: 'print this help; the version', text: 'Prints a help of one screen.' },
  { name: 'version', brief: 'print this help; the version', text: 'Prints the version.' },
]

const SHOWN = ['no-args', 'redact', 'source']
const ALWAYS = ['help', 'version']

export const COMMANDS: readonly Command[] = [
  {
    name: '',
    operands: '[OPTION...]',
    brief: 'show what starts and ends here',
    text: 'Prints a line whenever a process of this machine starts a program (exec) or exits, until Ctrl-C. At the end it says on standard error what that came to.',
    options: OPTIONS.map(({ name }) => name).filter((name) => name !== 'output'),
  },
  {
    name: 'run',
    operands: '[OPTION...] -- CMD [ARG...]',
    brief: 'run CMD, report what it started',
    text: 'Runs CMD, and when it has ended reports all processes that it and its descendants started, as a tree: how each ended, and how long it lived. Beyond 100,000 processes, 100 execs of one process, or 32 MiB of arguments it counts what it leaves out. Standard input, output and error are those of CMD. Ends with the exit code of CMD, 128+n if signal n ended it, 127 if it was not found, 126 if it could not be run. Signals are passed on; not those that the terminal has sent to CMD as well (Ctrl-C).',
    options: ['json', 'output', ...SHOWN, ...ALWAYS],
  },
  {
    name: 'wait',
    operands: '[OPTION...] PID...',
    brief: 'wait for processes to end',
    text: 'Waits until all these processes have ended, children of the shell or not, and prints a line for each. Ends with the exit code of the last of them to fail (128+n for signal n), 0 if none has, and 1 if one was not running or its exit code is not known.',
    options: ['json', 'duration', ...SHOWN, ...ALWAYS],
  },
  {
    name: 'doctor',
    operands: '[--json]',
    brief: 'tell what works here, and why not',
    text: 'Tells what works here, what does not, why, and what to do about it; starts processes of its own to see whether they are reported. Ends with 0 if live events can be had, else with 3.',
    options: ['json', ...ALWAYS],
  },
  {
    name: 'completion',
    operands: SHELLS.join('|'),
    brief: 'print completions for this shell',
    text: 'Prints the completions for a shell, to be sourced: source <(proc-events completion bash), or proc-events completion fish | source.',
    options: ALWAYS,
  },
]

export const ENVIRONMENT = [
  ['NO_COLOR', 'Print no colours.'],
  ['FORCE_COLOR', 'Print colours even where standard output is no terminal; 0: print none.'],
  ['HOST_PROC', "Where the host's proc file system is mounted. Default: /proc."],
] as const

export function optionsOf(command: Command): readonly Option[] {
  return OPTIONS.filter(({ name }) => command.options.includes(name))
}

/** As it is given on the command line: -h, --name TEXT. */
export function spelling(option: Option): string {
  return `${option.short ? `-${option.short}, ` : ''}--${option.name}${option.value ? ` ${option.value}` : ''}`
}
