/** Reports where the kernel does not tell costs: everything works, costs are null, and one line says so. */
import test, { type ExecutionContext } from 'ava'
import { type Command, command, main } from '../support/cli-harness.ts'
import { mayRead, namespace, nobody } from '../support/environments.ts'
import { has } from '../support/load.ts'
import { checkTrace } from '../support/trace-check.ts'

interface Place {
  /** A command that runs another one there. */
  readonly by: readonly string[]
  readonly args: readonly string[]
  /** The reason that the line gives. */
  readonly hint: RegExp
}

const NEEDS_NETLINK = /They need the kernel's process connector\./
/** Namespaces as those of a container. */
const container = [...namespace, '--net', '--ipc', '--uts', '--mount']

const PLACES: Readonly<Record<string, Place>> = {
  'as user nobody': { by: nobody, args: [], hint: /only with CAP_NET_ADMIN\. Grant it/ },
  'in a container': { by: container, args: ['--source', 'auto'], hint: NEEDS_NETLINK },
  'in a container of another user': {
    by: [container[0]!, '--user', '--map-root-user', ...container.slice(1)],
    args: ['--source', 'auto'],
    hint: NEEDS_NETLINK,
  },
  'with the polling source': { by: [], args: ['--source', 'polling'], hint: NEEDS_NETLINK },
}

const FACT = 'CPU time and memory are unknown.'

/** Runs the command there. */
function start(t: ExecutionContext, { by, args }: Place, words: readonly string[]): Command {
  const at = words.indexOf('--')
  const all = at === -1 ? [...words, ...args] : [...words.slice(0, at), ...args, ...words.slice(at)]
  return command(t, all, { by: (it) => [...by, ...it] })
}

/** Returns true if the machine can make the place. */
function canBe(t: ExecutionContext, { by }: Place): boolean {
  return by.length === 0 || (has(t, by[0]!) && (by !== nobody || mayRead(t, nobody, main)))
}

/** Checks that exactly one line of a text says that costs are unknown, and why. */
function checkLine(t: ExecutionContext, text: string, hint: RegExp): void {
  const lines = text.split('\n').filter((line) => line.includes(FACT))
  t.is(lines.length, 1, text)
  t.regex(lines[0]!, hint)
}

/** Returns a report without the messages before it. Reports are written where messages are, unless a file is named. */
function withoutMessages(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('proc-events: '))
    .join('\n')
}

const SCRIPT = ['--', 'sh', '-c', 'sleep 0.1; exit 3']

/** Checks each format of a report of `SCRIPT`. */
const FORMATS: Readonly<Record<string, (t: ExecutionContext, text: string) => void>> = {
  tree(t, text) {
    t.regex(
      text,
      /^STATUS +START LIFETIME +PID  COMMAND\n3 .* sh -c 'sleep 0\.1; exit 3'\n0 .* sleep 0\.1\n2 processes, 1 failed/m,
    )
  },
  json(t, text) {
    const { processes } = JSON.parse(text) as { processes: { usage: unknown; exitCode: number }[] }
    t.deepEqual(
      processes.map(({ usage, exitCode }) => [usage, exitCode]),
      [
        [null, 3],
        [null, 0],
      ],
    )
  },
  trace(t, text) {
    const { traceEvents } = JSON.parse(text) as { traceEvents: { args?: object }[] }
    t.like(checkTrace(traceEvents), { crossing: 0, unpaired: 0, slices: 2 })
    t.false(traceEvents.some(({ args = {} }) => /cpu|memory|rss/i.test(Object.keys(args).join())))
  },
  html(t, text) {
    t.true(text.includes('CPU time and memory are not known.'))
    t.notRegex(text.replaceAll(/<(script|style)[^]*?<\/\1>/g, ''), />(?:CPU|(?:peak )?memory)</)
  },
  folded(t, text) {
    t.regex(text, /^sh;sleep \d+$/m)
  },
  markdown(t, text) {
    t.regex(text, /^2 processes · 1 failed/m)
    t.notRegex(text, /CPU|memory/)
  },
}

for (const [name, place] of Object.entries(PLACES)) {
  test.serial(`${name}, run reports in each format, and says once that costs are unknown`, async (t) => {
    if (!canBe(t, place)) return
    for (const [format, check] of Object.entries(FORMATS)) {
      const it = start(t, place, ['run', '--format', format, ...SCRIPT])
      t.deepEqual(await it.ended, [3, null], `${format}: ${it.stderr}`)
      t.is(it.stdout, '')
      checkLine(t, it.stderr, place.hint)
      check(t, withoutMessages(it.stderr))
    }
    const weighted = start(t, place, ['run', '--format', 'folded', '--weight', 'cpu', ...SCRIPT])
    const [code] = await weighted.ended
    t.is(code, 1)
    t.true(weighted.stderr.includes('--weight: no CPU time is known of these processes'), weighted.stderr)
  })

  test.serial(`${name}, lines and summaries say once that costs are unknown`, async (t) => {
    if (!canBe(t, place)) return
    const lines = start(t, place, ['--usage', '--duration', '0.1'])
    t.deepEqual(await lines.ended, [0, null], lines.stderr)
    checkLine(t, lines.stdout, place.hint)
    const summary = start(t, place, ['--summary', '--duration', '0.1'])
    t.deepEqual(await summary.ended, [0, null], summary.stderr)
    checkLine(t, summary.stdout + summary.stderr, place.hint)
    t.notRegex(summary.stdout.split('\n').find((line) => line.startsWith('PROGRAM')) ?? '', /CPU|MEMORY/)
  })
}
