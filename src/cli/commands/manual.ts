/** The manual, man/proc-events.1, out of the table of options. */
import { EXIT_CODES } from '../exit-codes.js'
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
      'On a terminal the lines are cut to its width, in a pipe they are whole. A failed process is marked by !, one that lived for less than 10 ms by ~. Control characters in names and arguments are spelt out. Where events were lost, or only polling could be had, a line says so in that place.',
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
    ...OPTIONS.flatMap((option) => ['.TP', term(option), escaped(option.text)]),
    '.SH JSON',
    ...JSON_TEXT.map((paragraph) => `.PP\n${escaped(paragraph)}`),
    '.SH EXIT STATUS',
    ...Object.values(EXIT_CODES).flatMap(({ code, meaning }) => ['.TP', `.B ${code}`, meaning]),
    '.PP',
    escaped('run and wait end with the exit codes of what they ran or waited for; wait with 130 after Ctrl-C.'),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([name, text]) => ['.TP', `.B ${name}`, escaped(text)]),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([command, text]) => ['.TP', `.B ${escaped(command)}`, escaped(text)]),
    '',
  ].join('\n')
}

const JSON_TEXT = [
  "Each line is an object. Every event has, in this order: type, time (ISO 8601), timestampNs (the kernel's monotonic clock), pid, ppid, name, origin (kernel: live; resync, polling: concluded from /proc); then what its type alone has: exitCode, signal, coreDumped, durationNs (exit); tid, comm (comm); ruid, euid (uid); rgid, egid (gid); tracerPid (ptrace); then parentName, uid, user, exe, argv (argvTruncated: true where its end is missing), cgroup, containerId. What is unknown is null.",
  'Between them stand losses (type loss, time, timestampNs, cause: socket, queue or output, lost, recoveredExecs, recoveredExits) and notes (type note, time, timestampNs, note: polling or restart, code, message). --summary, --top, run and doctor print objects of the types summary, top, run and doctor.',
] as const

const EXAMPLES = [
  ['proc-events --name node --redact', 'Which Node.js programs start here, and with which arguments.'],
  ['proc-events run -- make', 'What a build has really run, what failed, and how long each took.'],
  ['proc-events --json --events all > events.ndjson', 'Records everything.'],
  ['proc-events --replay events.ndjson --tree --user www-data', 'Looks at it later.'],
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

/** A backslash, a dash, and a line that begins like a request mean something to troff. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
}
