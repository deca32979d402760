/** Generates the manual, man/proc-events.1, from the table of options. */
import { EXIT_CODES, PROCESS_EXIT_CODES } from '../exit-codes.js'
import { COMMANDS, type Command, ENVIRONMENT, OPTIONS, type Option, optionsOf } from '../flags/options.js'

export function manual(): string {
  const [main, ...others] = COMMANDS as readonly [Command, ...Command[]]
  return [
    '.\\" Generated from the table of options: do not edit.',
    '.TH PROC-EVENTS 1 "" "proc-events" "User Commands"',
    section('NAME', `proc\\-events \\- ${escaped(main.brief)}: every process, live`),
    '.SH SYNOPSIS',
    ...COMMANDS.map(synopsis),
    section('DESCRIPTION', escaped(main.text)),
    '.PP',
    escaped(
      'On a terminal, lines are cut to its width. In a pipe they are whole. ! marks a failed process, ~ a lifetime below 10 ms. Control characters in names and arguments are escaped. A line shows where events were lost, and if polling is used.',
    ),
    '.SH COMMANDS',
    ...others.flatMap((command) => [
      '.TP',
      `.B ${escaped(command.name)} ${escaped(command.operands)}`,
      escaped(command.text),
      escaped(
        `Options: ${optionsOf(command)
          .map(({ name }) => `--${name}`)
          .join(', ')}.`,
      ),
    ]),
    '.SH OPTIONS',
    escaped(FILTERS_TEXT),
    ...OPTIONS.flatMap((option) => ['.TP', term(option), escaped(option.text)]),
    '.SH JSON',
    ...JSON_TEXT.map((paragraph) => `.PP\n${escaped(paragraph)}`),
    '.SH EXIT STATUS',
    ...[...Object.values(EXIT_CODES), ...Object.values(PROCESS_EXIT_CODES), SIGNALS].flatMap(({ code, meaning }) => [
      '.TP',
      `.B ${code}`,
      escaped(meaning),
    ]),
    '.PP',
    escaped('Apart from these, run and wait end with the exit code of their process.'),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, text]) => ['.TP', `.B ${name}`, escaped(text)]),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([command, text]) => ['.TP', `.B ${escaped(command)}`, escaped(text)]),
    '',
  ].join('\n')
}

const SIGNALS = {
  code: '128+n',
  meaning: 'run: signal n ended CMD. wait: signal n ended a process, or wait itself: 130 after Ctrl-C.',
}

const repeatable = OPTIONS.filter((option) => option.repeatable === true).map(({ name }) => `--${name}`)
const FILTERS_TEXT = `The filters ${repeatable.join(', ')} may be given more than once. Values of one filter are alternatives: --name a --name b shows the processes a and the processes b. Different filters must all match, except --pid and --descendants-of: one of them must match. Any other option may be given once.`

const JSON_TEXT = [
  "Each line is an object. Every event has, in this order: type, time (ISO 8601), timestampNs (the kernel's monotonic clock), pid, ppid, name, origin (kernel: live; resync, polling: concluded from /proc); then the keys of its type: exitCode, signal, coreDumped, durationNs, durationSince (exec or start), usage (CPU time, memory and more; null: unknown; exit); tid, comm (comm); ruid, euid (uid); rgid, egid (gid); tracerPid (ptrace); then parentName, uid, user, exe, argv (argvTruncated: true if its end is missing), cgroup, containerId, comm (the present name, where name is that at the exec), cwd, gid, loginUid (the user of the login, before su and sudo), startTime (clock ticks since boot), timeNs (nanoseconds since the Unix epoch, as a text). Unknown values are null.",
  'Each line ends with stream, an id that differs in each run, and seq, the number of the line in that stream, from 0 on. Skipped lines have no number, so that a gap is a loss behind the command. The first line is the start of the recording (type start, time, timestampNs, timeNs, version, host, bootId, clock, source: netlink or polling, hostId, events, sample), and the last one its end (type end, time, timestampNs, timeNs, lost, lostOutput). hostId is derived from /etc/machine-id, as systemd-id128 machine-id --app-specific=c7a4b0f27d1e4c1f9a56d3be8f20e971 does. Other lines are losses (type loss, time, timestampNs, timeNs, cause: socket, queue or output, lost, recoveredExecs, recoveredExits) notes (type note, time, timestampNs, timeNs, note: polling, restart or usage, code, message), and heartbeats with the figures of --heartbeat (type heartbeat). --summary, --top, run and doctor print objects of the types summary, top, run and doctor.',
] as const

const EXAMPLES = [
  ['proc-events --name node --redact', 'Show Node.js programs that start, with their arguments.'],
  ['proc-events run -- make', 'Show the processes of a build, with failures and lifetimes.'],
  ['proc-events run --format html --output build.html -- make', 'Draw them as a page with a timeline.'],
  ['proc-events --json --events all > events.ndjson', 'Record everything.'],
  [
    'proc-events --events exit --redact --heartbeat 60 --output /var/log/proc-events.ndjson --rotate 100M',
    'Write the exits of a machine to files, for a log collector.',
  ],
  ['proc-events --replay events.ndjson --tree --user www-data', 'Show the recording later.'],
] as const

function synopsis({ name, operands }: Command, index: number): string {
  const words = operands.split(' ').map((word) => escaped(word))
  return `${index === 0 ? '' : '.br\n'}.B proc\\-events ${name}\n${words.join(' ')}`.replace(/ \n/, '\n')
}

function section(title: string, text: string): string {
  return `.SH ${title}\n${text}`
}

function term({ name, short, value }: Option): string {
  const flags = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].map((flag) => `\\fB${escaped(flag)}\\fR`)
  return flags.join(', ') + (value === undefined ? '' : ` \\fI${escaped(value)}\\fR`)
}

/** Escapes backslashes, dashes and leading dots for troff. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
}
