/** The command line, and everything that is generated from the table of options. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from '../../dist/src/cli/flags/args.js'
import { completion } from '../../dist/src/cli/commands/completion.js'
import { help } from '../../dist/src/cli/commands/help.js'
import { manual } from '../../dist/src/cli/commands/manual.js'
import { COMMANDS, EVENTS, OPTIONS, SHELLS, optionsOf } from '../../dist/src/cli/flags/options.js'
import { UsageError, describe } from '../../dist/src/cli/exit-codes.js'
import { Users } from '../../dist/src/cli/entries/users.js'
import { has } from '../support/load.ts'

const users = new Users('root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n+::::::\n')
const show = { json: false, args: 'shown', source: 'netlink' } as const
const watch = {
  command: 'watch',
  ...show,
  view: 'lines',
  filter: {},
  types: ['exec', 'exit'],
  usage: false,
  failed: false,
  minDurationMs: 0,
  sample: 1,
  bufferBytes: 16 * 2 ** 20,
  intervalMs: 1000,
} as const

test('options of watch are parsed', (t) => {
  t.deepEqual(parse([], users), watch)
  const cases: [string[], object][] = [
    [['--json', '--tree', '--redact'], { json: true, view: 'tree', args: 'redacted' }],
    [['--top', '--interval', '0.5', '--no-args'], { view: 'top', intervalMs: 500, args: 'hidden' }],
    [['--usage', '--tree'], { usage: true, view: 'tree' }],
    [['--duration', '0.5', '--count=3'], { durationMs: 500, count: 3 }],
    [['--name=-x', '--exe', '/bin/sh'], { filter: { name: ['-x'], exe: ['/bin/sh'] } }],
    [['--name', '/^a|b$/', '--cmd', '/x y/i'], { filter: { name: [/^a|b$/], commandLine: [/x y/i] } }],
    [['--cgroup', '/', '--container', 'abc'], { filter: { cgroup: ['/'], container: ['abc'] } }],
    [['--name', 'sh/', '--exe', '/sh'], { filter: { name: ['sh/'], exe: ['/sh'] } }],
    [['--name', '/^\\/sh/', '--cmd', '/sh/g'], { filter: { name: [/^\/sh/], commandLine: ['/sh/g'] } }],
    [['--user', 'alice', '--pid', '17'], { filter: { uid: [1000], pid: [17] } }],
    [['--user', '4294967295', '--descendants-of', '17'], { filter: { uid: [4294967295], ancestor: [17] } }],
    [['--name', 'a', '--name', '/b/', '--name=c'], { filter: { name: ['a', /b/, 'c'] } }],
    [['--pid', '1', '--descendants-of', '2', '--pid', '3'], { filter: { pid: [1, 3], ancestor: [2] } }],
    [['--events', 'fork, exec,fork'], { types: ['fork', 'exec'] }],
    [['--source', 'auto', '--replay', '-'], { source: 'auto', replay: '-' }],
    [['--capture', 'name, argv,name'], { capture: ['name', 'argv'] }],
    [['--failed'], { failed: true, types: ['exit'] }],
    [['--min-duration', '5', '--events', 'exit'], { minDurationMs: 5000, types: ['exit'] }],
    [['--min-duration', '0', '--sample', '1/10'], { sample: 10 }],
    [['--json', '--heartbeat', '30', '--buffer', '1m'], { json: true, heartbeatMs: 30_000, bufferBytes: 2 ** 20 }],
    [['--output', 'f'], { json: true, output: { path: 'f', keep: 7 } }],
    [
      ['--output', 'f', '--rotate', '1.5G', '--keep', '2'],
      { json: true, output: { path: 'f', rotateBytes: 1.5 * 2 ** 30, keep: 2 } },
    ],
    [['--output', 'f', '--rotate', 'daily'], { json: true, output: { path: 'f', isDaily: true, keep: 7 } }],
    [['--metrics', '9100'], { metrics: { host: '127.0.0.1', port: 9100 } }],
    [['--metrics', '[::]:9100'], { metrics: { host: '::', port: 9100 } }],
    [['--metrics', 'agent.local:0'], { metrics: { host: 'agent.local', port: 0 } }],
    [['--metrics', '/run/x'], { metrics: { path: '/run/x' } }],
  ]
  for (const [args, over] of cases) t.deepEqual(parse(args, users), { ...watch, ...over } as never, args.join(' '))
  for (const events of ['all', 'exec,all'])
    t.deepEqual(parse(['--events', events], users), { ...watch, types: EVENTS } as never)
})

test('options of the other commands are parsed', (t) => {
  t.like(parse(['--json', '-h']), { command: 'help', about: { name: '' } })
  t.like(parse(['run', '-h']), { command: 'help', about: { name: 'run' } })
  t.deepEqual(parse(['--version']), { command: 'version' })
  const order = { sort: 'start', minDurationMs: 0, totals: false, format: 'tree', weight: 'time' } as const
  const target = (...command: string[]) => ({ target: { command } })
  const run = { command: 'run', ...show, ...order, ...target('make') }
  const cases: [string[], object][] = [
    [['run', 'make'], run],
    [['run', '--', 'make'], run],
    [['run', 'make', '--json', '-h', '--', 'x'], { ...run, ...target('make', '--json', '-h', '--', 'x') }],
    [
      ['run', '--json', '--output', 'f', '--', 'make', '-h'],
      { ...run, json: true, format: 'json', output: 'f', ...target('make', '-h') },
    ],
    [['run', '--', '--json'], { ...run, ...target('--json') }],
    [['run', 'make', '--sort', 'life', '--sort'], { ...run, ...target('make', '--sort', 'life', '--sort') }],
    [['run', '--sort', 'life', '--min-duration=100ms', 'make'], { ...run, sort: 'life', minDurationMs: 100 }],
    [['run', '--sort', 'memory', '--totals', 'make'], { ...run, sort: 'memory', totals: true }],
    [['run', '--format', 'json', 'make'], { ...run, json: true, format: 'json' }],
    [['run', '--format=folded', '--weight=cpu', 'make'], { ...run, format: 'folded', weight: 'cpu' }],
    [['run', '--replay', '-', '--format', 'html'], { ...run, format: 'html', target: { replay: '-' } }],
    [['wait', '1', '2', '1'], { command: 'wait', ...show, pids: [1, 2] }],
    [['wait', '7', '--duration', '2'], { command: 'wait', ...show, pids: [7], durationMs: 2000 }],
    [['doctor', '--json'], { command: 'doctor', json: true }],
    [['completion', 'zsh'], { command: 'completion', shell: 'zsh' }],
  ]
  for (const [args, request] of cases) t.deepEqual(parse(args, users), request as never, args.join(' '))
})

/** The options of a duration: the words before it, the milliseconds in a request, the unit of a number alone. */
const DURATIONS: [string[], (request: any) => number, number][] = [
  [['--duration'], ({ durationMs }) => durationMs, 1000],
  [['--interval'], ({ intervalMs }) => intervalMs, 1000],
  [['--latency'], ({ latencyMs }) => latencyMs, 1],
  [['wait', '1', '--duration'], ({ durationMs }) => durationMs, 1000],
  [['run', '--latency'], ({ latencyMs }) => latencyMs, 1],
  [['run', '--min-duration'], ({ minDurationMs }) => minDurationMs, 1000],
]

for (const [words, msOf, unitMs] of DURATIONS) {
  const operands = words[0] === 'run' ? ['make'] : []
  test(`${words.join(' ')} takes ms, s, m and h, and a number alone`, (t) => {
    for (const [text, ms] of [
      ['1', unitMs],
      ['2ms', 2],
      ['100ms', 100],
      ['2s', 2000],
      ['0.25s', 250],
      ['.5s', 500],
      ['0.0123s', 12.3],
      ['0.125m', 7500],
      ['0.0025h', 9000],
    ] as const) {
      const args = [...words, text, ...operands]
      // An event may wait a whole number of milliseconds.
      if (ms === 12.3 && words.includes('--latency')) t.throws(() => parse(args, users), { instanceOf: UsageError })
      else t.true(Math.abs(msOf(parse(args, users)) - ms) < 1e-9, text)
    }
    const message = new RegExp(
      `^${words.at(-1)}: expected a duration.*, such as 100ms, 2s, 1\\.5m or 1h \\(a number alone: m?s\\), got '`,
    )
    const option = words.at(-1)!
    const wrong = [
      '',
      ' ',
      '-1',
      '-1s',
      '1d',
      '1 s',
      's',
      'ms',
      '1e3',
      '1.',
      '.',
      'x',
      'Infinity',
      'NaN',
      '9'.repeat(400),
    ]
    for (const text of wrong) {
      const args = [...words.slice(0, -1), `${option}=${text}`, ...operands]
      t.throws(() => parse(args, users), { instanceOf: UsageError, message }, text)
    }
  })
}

test('a duration outside the range of its option is rejected', (t) => {
  for (const [option, text, expected] of [
    ['--duration', '0', 'from 1ms to 2147483s'],
    ['--duration', '2147484', 'from 1ms to 2147483s'],
    ['--duration', '600h', 'from 1ms to 2147483s'],
    ['--interval', '0.9ms', 'from 1ms to 2147483s'],
    ['--latency', '10001', 'from 0ms to 10s of whole milliseconds'],
    ['--latency', '11s', 'from 0ms to 10s of whole milliseconds'],
  ] as const) {
    const message = new RegExp(`^${option}: expected a duration ${expected}, such as .*, got '${text}'$`)
    t.throws(() => parse([option, text], users), { instanceOf: UsageError, message }, text)
  }
  t.like(parse(['--latency', '0'], users), { latencyMs: 0 })
  t.like(parse(['--latency', '10s'], users), { latencyMs: 10_000 })
  t.like(parse(['--duration', '596h'], users), { durationMs: 596 * 3_600_000 })
  t.like(parse(['run', '--min-duration', '0', 'make'], users), { minDurationMs: 0 })
})

test('an invalid command line is rejected with a message', (t) => {
  const refused: [string[], RegExp][] = [
    [['--nope'], /^unknown option '--nope'$/],
    [['--constructor'], /^unknown option '--constructor'$/],
    [['that'], /^unknown command 'that'$/],
    [['--json', 'run'], /^put the command 'run' before all options$/],
    [['doctor', 'that'], /^doctor: unexpected argument 'that'$/],
    [[''], /^unknown command ''$/],
    [['--json=1'], /--json/],
    [['--name'], /--name/],
    [['--name', '/(/'], /^--name: .*\(/],
    [
      ['--name', '/sh'],
      /^--name: expected a name, \/REGEX\/ or \/REGEX\/i, got '\/sh'\. A path is matched by --exe\.$/,
    ],
    [['--name', 'sh', '--name', '/bin/sh'], /^--name: expected a name, .*, got '\/bin\/sh'/],
    [['--name', '/sh/g'], /^--name: expected a name, .*, got '\/sh\/g'/],
    [['--name', '/'], /^--name: expected a name, .*, got '\/'/],
    [['--container', '/abc'], /^--container: expected an id, .*, got '\/abc'\. .*--cgroup\.$/],
    [['--exe', 'node'], /^--exe: expected an absolute path, .*, got 'node'\. .*--name\.$/],
    [['--cgroup', 'docker'], /^--cgroup: expected an absolute path, .*, got 'docker'\.$/],
    [['--tree', '--summary'], /^--tree and --summary/],
    [['--no-args', '--redact'], /--no-args/],
    [['--user', 'bob'], /^--user: .*'bob'$/],
    [['--user', '4294967296'], /^--user: /],
    [['--pid', '0'], /^--pid: expected an integer from 1/],
    [['--pid', '4194305'], /^--pid: expected /],
    [['--count', '1.5'], /^--count: expected /],
    [['--events', 'exec,'], /^--events: expected .* got ''$/],
    [['--events', 'foo'], /^--events: expected exec, exit, .*, coredump or all, got 'foo'$/],
    [['--interval', '1', '--interval', '2'], /^--interval: given more than once$/],
    [['--events', 'exec', '--tree', '--events', 'exit'], /^--events: given more than once$/],
    [['--json', '--json'], /^--json: given more than once$/],
    [['--failed', '--events', 'exec'], /^--failed: selects exits\. Leave out --events, or give --events exit$/],
    [['--min-duration', '1', '--events', 'all'], /^--min-duration: selects exits\./],
    [['--sample', '10'], /^--sample: expected 1\/N with an integer N, such as 1\/10, got '10'$/],
    [['--sample', '1/0'], /^--sample: expected 1\/N/],
    [['--json', '--top', '--heartbeat', '30'], /^--heartbeat and --top cannot be combined$/],
    [['--capture', 'nam'], /^--capture: expected name, .* or \w+, got 'nam'\. Did you mean 'name'\?$/],
    [['--heartbeat', '30'], /^--heartbeat: needs --json or --output$/],
    [['--json', '--heartbeat', '0'], /^--heartbeat: expected a duration from 1ms /],
    [['--buffer', '10'], /^--buffer: expected a size from 64K to 1G, such as 512K, 10M or 1G, got '10'$/],
    [['--buffer', '63K'], /^--buffer: expected a size/],
    [['--rotate', '10M'], /^--rotate: needs --output$/],
    [['--output', 'f', '--keep', '3'], /^--keep: needs --rotate$/],
    [['--output', 'f', '--rotate', 'weekly'], /^--rotate: expected 'daily' or a size from 64K to 1024G, such as/],
    [['--output', 'f', '--rotate', '1M', '--keep', '0'], /^--keep: expected an integer from 1 /],
    [['--output', 'f', '--top'], /^--output and --top cannot be combined$/],
    [['--output', 'f', '--replay', 'f'], /^--output and --replay cannot be the same file$/],
    [['--output', ''], /^--output: expected a file$/],
    [['--metrics', '9100', '--replay', 'f'], /^--metrics and --replay cannot be combined$/],
    [['--metrics', ':9100'], /^--metrics: expected a port, HOST:PORT or the path of a socket .*, got ':9100'$/],
    [['--metrics', '70000'], /^--metrics: expected a port/],
    [['wait', '1', '--duration', '1', '--duration=1'], /^--duration: given more than once$/],
    [['run', '--json', '--totals', 'make'], /^--totals needs --format tree$/],
    [['run', '--sort', 'life', '--sort', 'life', 'make'], /^--sort: given more than once$/],
    [['run', '--format', 'svg', 'make'], /^--format: expected tree, json, trace, html, folded or markdown, got 'svg'/],
    [['run', '--json', '--format', 'json', 'make'], /^--json and --format cannot be combined$/],
    [['run', '--weight', 'cpu', 'make'], /^--weight needs --format folded$/],
    [['run', '--replay', 'x', 'make'], /^run: --replay takes the place of CMD$/],
    [['run', '--sort', 'name', 'make'], /^--sort: expected start, life, cpu or memory, got 'name'$/],
    [['--descendants-of', '0'], /^--descendants-of: expected an integer from 1/],
    [['--name', 'a', '--name', '/(/'], /^--name: .*\(/],
    [['--source', 'x'], /^--source: expected netlink, polling or auto, got 'x'$/],
    [['--latency', '0.0001s'], /^--latency: expected a duration from 0ms to 10s of whole milliseconds, such as /],
    [['run'], /^run: missing command/],
    [['run', '--'], /^run: missing command/],
    [['run', '--tree', 'make'], /--tree/],
    [['wait'], /^wait: missing PID/],
    [['wait', 'x'], /^PID: expected /],
    [['doctor', 'x'], /'x'/],
    [['completion'], /^completion: expected a shell/],
    [['completion', 'tcsh'], /tcsh/],
  ]
  for (const [args, message] of refused) {
    t.throws(() => parse(args, users), { instanceOf: UsageError, message }, args.join(' '))
  }
})

test('a misspelt word leads to the nearest one', (t) => {
  const cases: [string[], string][] = [
    [['--nmae', 'x'], "unknown option '--nmae'. Did you mean '--name'?"],
    [['--nmae=x'], "unknown option '--nmae'. Did you mean '--name'?"],
    [['--tree', '--JSON'], "unknown option '--JSON'. Did you mean '--json'?"],
    [['-json'], "unknown option '-json'. Did you mean '--json'?"],
    [['-x'], "unknown option '-x'"],
    [['-hx'], "unknown option '-hx'"],
    [['run', '--jsn', 'make'], "unknown option '--jsn'. Did you mean '--json'?"],
    [['wait', '7', '--durration', '1'], "unknown option '--durration'. Did you mean '--duration'?"],
    // The words of other tools, and of the API.
    [['--timeout', '1'], "unknown option '--timeout'. Did you mean '--duration'?"],
    [['--ancestor', '1'], "unknown option '--ancestor'. Did you mean '--descendants-of'?"],
    [['--command-line', 'x'], "unknown option '--command-line'. Did you mean '--cmd'?"],
    [['--uid', '0'], "unknown option '--uid'. Did you mean '--user'?"],
    [['--container-id', 'x'], "unknown option '--container-id'. Did you mean '--container'?"],
    [['rnu', 'make'], "unknown command 'rnu'. Did you mean 'run'?"],
    [['docter'], "unknown command 'docter'. Did you mean 'doctor'?"],
    [['help'], "unknown command 'help'. Did you mean '--help'?"],
    [['--events', 'exec,exti'], ", coredump or all, got 'exti'. Did you mean 'exit'?"],
    [['--source', 'netlnk'], "--source: expected netlink, polling or auto, got 'netlnk'. Did you mean 'netlink'?"],
    [
      ['run', '--sort', 'lief', 'make'],
      "--sort: expected start, life, cpu or memory, got 'lief'. Did you mean 'life'?",
    ],
  ]
  for (const [args, ending] of cases) {
    const { message } = t.throws(() => parse(args, users), { instanceOf: UsageError })
    t.true(message.endsWith(ending) && (ending.startsWith(',') || message === ending), `${args.join(' ')}: ${message}`)
  }
  // The words of CMD are its own.
  t.deepEqual(parse(['run', 'make', '--jsn']), {
    ...(parse(['run', 'make']) as object),
    target: { command: ['make', '--jsn'] },
  } as never)
})

test('an option of another command leads to that command', (t) => {
  const cases: [string[], string][] = [
    [['--sort', 'life'], '--sort is an option of run (see proc-events run --help)'],
    [['wait', '7', '--sort=life'], '--sort is an option of run (see proc-events run --help)'],
    [
      ['--srot', 'life'],
      "unknown option '--srot'. Did you mean '--sort', an option of run? (see proc-events run --help)",
    ],
    [['doctor', '--tree'], '--tree is an option of proc-events without a command (see proc-events doctor --help)'],
    [
      ['run', '--duration', '1', 'make'],
      '--duration is an option of wait and proc-events without a command (see proc-events run --help)',
    ],
  ]
  for (const [args, text] of cases) {
    t.is(describe(t.throws(() => parse(args, users), { instanceOf: UsageError })), text, args.join(' '))
  }
})

test('an error points to the help of its command', (t) => {
  const cases: [string[], string][] = [
    [['--nope'], 'proc-events --help'],
    [['--json', 'run'], 'proc-events --help'],
    [['run', '--summary', 'make'], 'proc-events run --help'],
    [['run'], 'proc-events run --help'],
    [['wait', 'x'], 'proc-events wait --help'],
    [['doctor', 'x'], 'proc-events doctor --help'],
    [['completion'], 'proc-events completion --help'],
  ]
  for (const [args, help] of cases) {
    const error = t.throws(() => parse(args, users), { instanceOf: UsageError })
    t.true(describe(error).endsWith(` (see ${help})`), args.join(' '))
  }
  // A request for help is answered, even if it is repeated.
  t.like(parse(['run', '-h', '--help', '--json', '--json']), { command: 'help', about: { name: 'run' } })
})

test('the help fits a screen of 80 columns and has every option', (t) => {
  for (const command of COMMANDS) {
    const lines = help(command).trimEnd().split('\n')
    t.true(lines.length <= 24, `${command.name}: ${lines.length} lines`)
    for (const line of lines) t.true(line.length <= 80, line)
    for (const { name } of optionsOf(command)) t.true(help(command).includes(`--${name}`), name)
  }
})

test('the committed manual equals the generated one and has every option', (t) => {
  t.is(readFileSync(new URL('../../man/proc-events.1', import.meta.url), 'utf8'), manual(), 'node scripts/manual.mjs')
  for (const { name } of OPTIONS) t.true(manual().includes(`\\-\\-${name.replaceAll('-', '\\-')}`), name)
})

test('the manual has every exit status and every repeatable filter', (t) => {
  const status = manual().split('.SH EXIT STATUS')[1]!.split('.SH ')[0]!
  for (const code of ['0', '1', '2', '3', '124', '126', '127', '128+n']) t.true(status.includes(`\n.B ${code}\n`), code)
  const [, filters] = /^The filters (.*) may be given more than once/m.exec(manual())!
  const names = ['name', 'exe', 'cmd', 'cgroup', 'user', 'container', 'pid', 'descendants-of']
  t.deepEqual(
    filters!.replaceAll('\\', '').split(', '),
    names.map((name) => `--${name}`),
  )
})

test('man reads the manual without a warning', (t) => {
  if (!has(t, 'groff')) return
  const { stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8'], { input: manual(), encoding: 'utf8' })
  t.is(stderr, '')
  t.regex(stdout, /--redact/)
})

test('completions have every option and every command', (t) => {
  for (const shell of SHELLS) {
    const script = completion(shell)
    for (const { name } of OPTIONS) t.true(script.includes(shell === 'fish' ? `-l ${name}` : `--${name}`), name)
    for (const { name } of COMMANDS) t.true(script.includes(name), name)
  }
})

test('bash completes commands and options', (t) => {
  if (!has(t, 'bash')) return
  const complete = (...words: string[]): string[] => {
    const script = `${completion('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _proc_events; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', 'proc-events', ...words], { encoding: 'utf8' })
    return stdout.split('\n').filter(Boolean)
  }
  t.deepEqual(complete(''), ['run', 'wait', 'doctor', 'completion'])
  t.deepEqual(complete('--s'), ['--summary', '--sample', '--source'])
  t.deepEqual(complete('--json', '--source', ''), ['netlink', 'polling', 'auto'])
  t.deepEqual(complete('--events', 'exec,co'), ['exec,comm', 'exec,coredump'])
  t.deepEqual(complete('completion', 'z'), ['zsh'])
  t.deepEqual(complete('run', '--o'), ['--output'])
  t.true(complete('run', '--', 'bas').includes('bash'))
  t.true(complete('wait', '').includes('1'))
  t.deepEqual(complete('--user', 'roo'), ['root'])
  t.true(complete('--replay', '/etc/pass').includes('/etc/passwd'))
})
