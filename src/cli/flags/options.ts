/** The table of options and commands. The parser, --help, the manual and completions are generated from it. */
import type { EventType } from '../../api/event-types.js'
import { EVENT_TYPES, PROCESS_FIELDS } from '../../native/record.js'

/** The kind of a value, for shell completion. */
export type ValueKind = 'text' | 'number' | 'file' | 'user' | 'pid' | readonly string[]

export interface Option {
  /** Without the leading dashes. */
  readonly name: string
  /** The one-letter form. */
  readonly short?: string
  /** The name of its value. An option without one is a switch. */
  readonly value?: string
  readonly kind?: ValueKind
  /** True: it may be given more than once, and each value is an alternative. */
  readonly repeatable?: true
  /** The text in --help. Consecutive options with the same text share a line. */
  readonly brief: string
  /** The text in the manual, in whole sentences. */
  readonly text: string
}

export interface Command {
  /** Empty for the default command. */
  readonly name: string
  /** The operands on the command line. */
  readonly operands: string
  readonly brief: string
  readonly text: string
  /** The names of its options. */
  readonly options: readonly string[]
  /** The texts in --help of options that mean something else here, by name. */
  readonly briefs?: Readonly<Record<string, string>>
}

export const DEFAULT_EVENTS: readonly EventType[] = ['exec', 'exit']
export const EVENTS: readonly EventType[] = [
  ...DEFAULT_EVENTS,
  ...EVENT_TYPES.filter((type) => !DEFAULT_EVENTS.includes(type)),
]
/** The word for all event types. */
export const ALL_EVENTS = 'all'
export const SOURCES = ['netlink', 'polling', 'auto'] as const
/** The earlier files that --rotate keeps by default. */
export const KEPT_FILES = 7
export const SHELLS = ['bash', 'zsh', 'fish'] as const
/** The orders in which `run` reports processes. */
export const SORT_KEYS = ['start', 'life', 'cpu', 'memory'] as const
/** The forms in which `run` reports processes. */
export const FORMATS = ['tree', 'json', 'trace', 'html', 'folded', 'markdown'] as const
/** The values of folded stacks. */
export const WEIGHTS = ['time', 'cpu'] as const

const MATCHES = 'equal to TEXT, or matching /REGEX/'
const END = 'end after this time, or after N events'
/** Followed by the unit of a number alone. */
const SUFFIXES = ', such as 100ms, 2s, 1.5m or 1h; a number alone is'
const ARGUMENTS = 'show no arguments; hide secrets in arguments'
const DETAILS = 'hide arguments; secrets; other details'
const PROCESSES = 'this process; its descendants'
const ORDER = 'start (default), life, cpu or memory; sums by program'
const VIEWS = 'children indented; counts; busiest; costs'
const OWNERS = 'of this user; in this container'
const SELECTED = 'failed; one of N; this long'
const FILES = 'add JSON to FILE; SIZE or daily'
const SERVICE = 'for agents: see man'

export const OPTIONS: readonly Option[] = [
  {
    name: 'tree',
    brief: VIEWS,
    text: 'Indents each process under its parent. A parent is repeated, dimmed, if other lines came in between.',
  },
  {
    name: 'summary',
    brief: VIEWS,
    text: 'Prints a summary instead of events: counts and rates by program, lifetimes (median and 99th percentile), failures and the busiest parents.',
  },
  {
    name: 'top',
    brief: VIEWS,
    text: 'Shows the busiest programs, refreshed, until q or Ctrl-C, each with its latest command line. If standard output is no terminal, one screen follows another.',
  },
  {
    name: 'usage',
    brief: VIEWS,
    text: 'Shows the CPU time and the peak memory of each process behind its command, at its exit. The kernel tells them only with CAP_NET_ADMIN; without it, one line says so. --summary and --top show them in any case.',
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
    repeatable: true,
    brief: MATCHES,
    text: 'Show only processes whose name matches TEXT. The kernel cuts names at 15 bytes; they are completed. TEXT must be equal, or between slashes a JavaScript regular expression that must match (/x/i ignores case). A name does not begin with a slash, so that a pattern with one slash is an error.',
  },
  {
    name: 'exe',
    value: 'TEXT',
    kind: 'file',
    repeatable: true,
    brief: MATCHES,
    text: 'Show only processes whose executable path matches TEXT, as for --name. A TEXT with one slash, such as /sh, is a path. Paths are absolute, so that any other TEXT is an error.',
  },
  {
    name: 'cmd',
    value: 'TEXT',
    kind: 'text',
    repeatable: true,
    brief: MATCHES,
    text: 'Show only processes whose command line, joined by spaces, matches TEXT, as for --exe.',
  },
  {
    name: 'cgroup',
    value: 'TEXT',
    kind: 'text',
    repeatable: true,
    brief: MATCHES,
    text: 'Show only processes whose control group matches TEXT, an absolute path as for --exe.',
  },
  {
    name: 'user',
    value: 'USER',
    kind: 'user',
    repeatable: true,
    brief: OWNERS,
    text: 'Show only processes of this user, a name or a number.',
  },
  {
    name: 'container',
    value: 'ID',
    kind: 'text',
    repeatable: true,
    brief: OWNERS,
    text: 'Show only processes in the container whose id begins with ID, or matches /REGEX/.',
  },
  {
    name: 'pid',
    value: 'PID',
    kind: 'pid',
    repeatable: true,
    brief: PROCESSES,
    text: 'Show only this process, not its children. If no such process is running, that is an error, except with --replay.',
  },
  {
    name: 'descendants-of',
    value: 'PID',
    kind: 'pid',
    repeatable: true,
    brief: PROCESSES,
    text: 'Show only descendants of this process, also after they got another parent; not the process itself. Together with --pid, it shows both. If no such process is running, that is an error, except with --replay.',
  },
  {
    name: 'events',
    value: 'LIST',
    kind: EVENTS,
    brief: 'exec,exit; fork,comm,uid,gid,sid,ptrace,coredump; all',
    text: `Event types, separated by commas: ${EVENTS.join(', ')}; or ${ALL_EVENTS}. Default: exec,exit.`,
  },
  {
    name: 'failed',
    brief: SELECTED,
    text: 'Show only the exits of processes that failed: with an exit code that is not 0, or by a signal.',
  },
  {
    name: 'sample',
    value: '1/N',
    kind: 'text',
    brief: SELECTED,
    text: 'Show one process of N, chosen by a hash of its pid and the id of the boot. All events of a process are shown or none, by each observer of the machine, also after a restart of the command. A smaller sample is a part of a larger one.',
  },
  {
    name: 'min-duration',
    value: 'DURATION',
    kind: 'text',
    brief: SELECTED,
    text: `Show only processes with at least this lifetime${SUFFIXES} seconds. Without a command, it shows only exits, and none whose lifetime is unknown. With run, processes that still run, and ancestors of processes shown, are shown in any case, and one line counts the others.`,
  },
  { name: 'duration', value: 'DURATION', kind: 'text', brief: END, text: `Ends after this time${SUFFIXES} seconds.` },
  { name: 'count', value: 'N', kind: 'number', brief: END, text: 'Ends after N events.' },
  {
    name: 'interval',
    value: 'DURATION',
    kind: 'text',
    brief: 'time between refreshes of --top (1s)',
    text: `Time between refreshes of --top${SUFFIXES} seconds. Default: 1s.`,
  },
  { name: 'no-args', brief: ARGUMENTS, text: 'Reads and shows no arguments, only names.' },
  {
    name: 'redact',
    brief: ARGUMENTS,
    text: 'Replaces secrets in arguments by [redacted]. It finds them by the name before them (password, token, secret, key), by the program (curl -u, mysql -pSECRET), by the shape of tokens and private keys, and in URLs. It reads options, variables, headers, forms, JSON and scripts. If in doubt, it hides. It cannot find all secrets: docs/redaction.md lists what is covered, and --no-args hides all arguments. Filters use the original arguments.',
  },
  {
    name: 'capture',
    value: 'LIST',
    kind: PROCESS_FIELDS,
    brief: DETAILS,
    text: `The details of processes that are read, separated by commas: ${PROCESS_FIELDS.join(', ')}. The others are not read, which saves CPU time, and are null. cgroup includes the id of the container. Default: all with --json, else those that are shown.`,
  },
  {
    name: 'source',
    value: 'SOURCE',
    kind: SOURCES,
    brief: 'netlink, polling or auto (netlink)',
    text: "The source of events. netlink: the kernel's process connector (default). polling: new process ids and /proc, which needs no permission and may miss processes that live less than a millisecond. auto: netlink if available, else polling.",
  },
  {
    name: 'latency',
    value: 'DURATION',
    kind: 'text',
    brief: 'time that an event may wait (20 or 100ms)',
    text: `Time that an event may wait, so that several events share a wake-up, which saves CPU time: 0 to 10s${SUFFIXES} milliseconds. Default: 20ms for lines on a terminal, else 100ms.`,
  },
  {
    name: 'replay',
    value: 'FILE',
    kind: 'file',
    brief: 'show a recording of --json (-: standard input)',
    text: 'Shows a recording that --json wrote, in any view and through any filter. - is standard input. The files that --rotate has renamed are shown before FILE. Parents are known as far as they were recorded: record with --events all. With run, it takes the place of CMD: the processes of a recording, or of the output of run --json, are reported on standard output.',
  },
  {
    name: 'output',
    value: 'FILE',
    kind: 'file',
    brief: FILES,
    text: 'Writes to FILE. Without a command, --output adds JSON at the end of FILE instead of printing it. If the disk is full, lines wait, and then they are skipped and counted, until there is room again. With run, the report is written to FILE instead of standard error. If FILE is $GITHUB_STEP_SUMMARY, the report is added at its end.',
  },
  {
    name: 'rotate',
    value: 'WHEN',
    kind: ['daily'],
    brief: FILES,
    text: 'With --output, begins a new FILE before it exceeds this size, such as 512K, 10M or 1G, or daily at midnight UTC. The earlier one is renamed to FILE.TIME. Each file begins with the line of the type start.',
  },
  {
    name: 'keep',
    value: 'N',
    kind: 'number',
    brief: FILES,
    text: `The number of earlier files that --rotate keeps. Default: ${KEPT_FILES}.`,
  },
  {
    name: 'heartbeat',
    value: 'DURATION',
    kind: 'text',
    brief: SERVICE,
    text: `With --json, prints an object of the type heartbeat this often, with the figures of the monitor${SUFFIXES} seconds.`,
  },
  {
    name: 'buffer',
    value: 'SIZE',
    kind: 'text',
    brief: SERVICE,
    text: 'The size of the output that waits at most while its reader does not read: 64K to 1G, such as 512K, 10M or 1G. Default: 16M. What does not fit is skipped and counted. A loss says so in its place, once the reader reads again.',
  },
  {
    name: 'metrics',
    value: 'ADDRESS',
    kind: 'text',
    brief: SERVICE,
    text: "Serves the monitor's own figures to Prometheus, at /metrics by HTTP. ADDRESS is a port on 127.0.0.1, HOST:PORT, or the path of a Unix socket that begins with a slash.",
  },
  {
    name: 'format',
    value: 'FORMAT',
    kind: FORMATS,
    brief: 'tree, json, trace, html, folded or markdown',
    text: 'The form of the report. tree: text (default). json: one object, as --json. trace: a trace for ui.perfetto.dev and speedscope.app; name it FILE.trace.json. html: a page with a timeline, in one file. folded: stacks of programs with microseconds, for flame graphs. markdown: a table and a Mermaid chart, for the summaries of CI services. On a terminal, trace and html need --output. A picture draws at most 20,000 processes, the failed and the longest ones, and says how many it does not show.',
  },
  {
    name: 'weight',
    value: 'KEY',
    kind: WEIGHTS,
    brief: 'folded stacks by time (default) or cpu',
    text: 'The value of folded stacks, in microseconds. time: the time in which a process ran and none of its children did (default). cpu: the CPU time of the process itself, where it is known.',
  },
  {
    name: 'sort',
    value: 'KEY',
    kind: SORT_KEYS,
    brief: ORDER,
    text: 'The order of processes with the same parent, for the formats tree and json. start: in order of creation (default). life: the longest lifetime first; those that still run come before all others. cpu: the most CPU time first, descendants included. memory: the largest peak memory of one process first, descendants included.',
  },
  {
    name: 'totals',
    brief: ORDER,
    text: 'Adds a table below the tree: the processes, failures, total lifetime, CPU time and peak memory of each program. At most 20 are shown, those with the most in the order of --sort.',
  },
  { name: 'help', short: 'h', brief: 'print this help, or the version', text: 'Prints a help screen.' },
  { name: 'version', brief: 'print this help, or the version', text: 'Prints the version.' },
]

const SHOWN = ['no-args', 'redact', 'source']
const ALWAYS = ['help', 'version']
/** Options of the default command whose text in --help is about all of them. */
const HIDING = ['no-args', 'redact', 'capture']
const RUN_ONLY = ['format', 'weight', 'sort', 'totals']
/** Options of `run` and of the default command, with a meaning in each. */
const SHARED = ['output', 'min-duration']

export const COMMANDS: readonly Command[] = [
  {
    name: '',
    operands: '[OPTION...]',
    brief: 'show processes start and exit',
    text: 'Prints a line for each process of this machine that starts a program (exec) or exits, until Ctrl-C. At the end it prints a summary to standard error. The kernel reports an exec only if it has succeeded: a program that could not be started is not shown.',
    options: OPTIONS.map(({ name }) => name).filter((name) => !RUN_ONLY.includes(name)),
    briefs: Object.fromEntries(HIDING.map((name) => [name, DETAILS])),
  },
  {
    name: 'run',
    operands: '[OPTION...] -- CMD [ARG...]',
    brief: 'run CMD, and report its processes',
    text: 'Runs CMD. When CMD has exited, it reports all processes that CMD and its descendants started, as a tree with exit codes, lifetimes and start times (START: seconds since the first process began), CPU time and peak memory (with CAP_NET_ADMIN), or as a picture. It lists at most 100,000 processes, 100 execs of one process and 32 MiB of arguments, and counts the rest. Standard input, output and error are those of CMD. Ends with the exit code of CMD, 128+n after signal n, 127 if CMD was not found, 126 if it could not be run. Passes signals on, except those that the terminal sends to CMD as well (Ctrl-C).',
    options: ['json', ...RUN_ONLY, ...SHARED, 'replay', ...SHOWN, 'latency', ...ALWAYS],
    briefs: {
      output: 'write the report to FILE, not to standard error',
      'min-duration': 'show only processes with at least this lifetime',
    },
  },
  {
    name: 'wait',
    operands: '[OPTION...] PID...',
    brief: 'wait for processes to exit',
    text: 'Waits until these processes have exited, children of the shell or not, and prints a line for each. Ends with the exit code of the last process that failed (128+n for signal n), 0 if none failed, 1 if one was not running or its exit code is unknown, and 124 if --duration ran out first.',
    options: ['json', 'duration', ...SHOWN, ...ALWAYS],
  },
  {
    name: 'doctor',
    operands: '[--json]',
    brief: 'check what works on this machine',
    text: 'Checks what works on this machine, and says what to do if something does not. Starts processes of its own to see if they are reported. Ends with 0 if live events are available, else with 3.',
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
  ['FORCE_COLOR', 'Print colours even if standard output is no terminal; 0: print none.'],
  ['HOST_PROC', "The mount point of the host's proc file system. Default: /proc."],
] as const

export function optionsOf({ options, briefs = {} }: Command): readonly Option[] {
  return OPTIONS.filter(({ name }) => options.includes(name)).map((option) => {
    const brief = briefs[option.name]
    return brief === undefined ? option : Object.assign({}, option, { brief })
  })
}

/** Returns an option as on the command line: `-h`, `--name TEXT`. */
export function spelling(option: Option): string {
  return `${option.short ? `-${option.short}, ` : ''}--${option.name}${option.value ? ` ${option.value}` : ''}`
}
