/** The parts of the `proc-events` command that need no process: tables of plain values. */
import { Writable } from 'node:stream'
import test from 'ava'
import { ProcessMonitorError } from '../src/errors.js'
import type { ExecEvent, ExitEvent } from '../src/event-types.js'
import { OPTIONS, help, parse } from '../src/cli/args.js'
import { WallClock } from '../src/cli/clock.js'
import { eventLine, formatDuration, formatTime, headerLine } from '../src/cli/lines.js'
import { jsonLine } from '../src/cli/ndjson.js'
import { UsageError, describe, exitCodeOf } from '../src/cli/outcome.js'
import { Output, wantsColors } from '../src/cli/output.js'
import { Summary } from '../src/cli/summary.js'

const time = new Date(2024, 0, 2, 3, 4, 5, 67)
const wide = { columns: Infinity, colors: false }
const exec: ExecEvent = { type: 'exec', pid: 123, timestampNs: 7, origin: 'kernel', process: { name: 'sh', ppid: 12 } }
const exit: ExitEvent = {
  ...exec,
  type: 'exit',
  exitCode: 0,
  signal: null,
  coreDumped: false,
  ppid: 12,
  durationNs: 1_234_567,
}

test('durations', (t) => {
  const [ms, s] = [1e6, 1e9]
  const cases: [number | null, string][] = [
    [null, '-'],
    [0, '0.0ms'],
    [1_234_567, '1.2ms'],
    [999.94 * ms, '999.9ms'],
    [999.96 * ms, '1.0s'],
    [3.44 * s, '3.4s'],
    [59.94 * s, '59.9s'],
    [59.96 * s, '1m00s'],
    [123 * s, '2m03s'],
    [3599.4 * s, '59m59s'],
    [3599.6 * s, '1h00m'],
    [(5 * 60 + 12) * 60 * s, '5h12m'],
    [(24 * 60 - 0.4) * 60 * s, '1d00h'],
    [(999 * 24 + 4) * 3600 * s, '999d04h'],
  ]
  for (const [ns, text] of cases) t.is(formatDuration(ns), text)
})

test('the time is local, to the millisecond', (t) => {
  t.is(formatTime(time), '03:04:05.067')
  t.is(formatTime(new Date(2024, 0, 2, 23, 59, 59, 999)), '23:59:59.999')
})

test('lines stand in columns', (t) => {
  const failed = { ...exit, pid: 4_194_304, ppid: 4_194_303, exitCode: null, durationNs: 999.94e6 }
  const lines = [
    headerLine(wide),
    eventLine(exec, time, wide),
    eventLine(exit, time, wide),
    eventLine({ ...failed, signal: 'SIGRTMIN+30' as NodeJS.Signals, process: { name: 'a b' } }, time, wide),
    eventLine({ ...exit, exitCode: null, ppid: null, durationNs: null, process: {} }, time, wide),
    eventLine({ ...exec, process: { name: null, ppid: null } }, time, wide),
  ]
  t.deepEqual(lines, [
    'TIME          EVENT      PID     PPID  STATUS     DURATION  NAME',
    '03:04:05.067  exec       123       12                       sh',
    '03:04:05.067  exit       123       12  0             1.2ms  sh',
    '03:04:05.067  exit   4194304  4194303  SIGRTMIN+30 999.9ms  a b',
    '03:04:05.067  exit       123        -  -                 -  -',
    '03:04:05.067  exec       123        -                       -',
  ])
})

test('a line is cut where it would wrap', (t) => {
  const line = (name: string, columns: number) =>
    eventLine({ ...exec, process: { name } }, time, { columns, colors: false })
  const before = line('', 80)
  t.is(line('x'.repeat(20), 80), before + 'x'.repeat(20))
  t.is(line('x'.repeat(21), 80), `${before}${'x'.repeat(19)}…`)
  t.is(line('漢'.repeat(10), 80), before + '漢'.repeat(10))
  t.is(line('漢'.repeat(11), 80), `${before}${'漢'.repeat(9)}…`)
  t.is(line('sh', 14), '03:04:05.067 …')
  t.is(line('sh', 1), '…')
  t.is(headerLine({ columns: 9, colors: false }), 'TIME    …')
})

test('a name cannot steer the terminal, nor end the line', (t) => {
  const line = eventLine({ ...exec, process: { name: 'a\n\x1b[2J\x7f\u{9b}\u{202e}\u{2028}é漢' } }, time, wide)
  t.true(line.endsWith(String.raw`  a\x0a\x1b[2J\x7f\x9b\u{202e}\u{2028}é漢`))
})

test('colours tell the kind, and make failures stand out', (t) => {
  const colors = { ...wide, colors: true }
  const red = '\x1b[31m'
  t.true(eventLine(exec, time, colors).startsWith('03:04:05.067  \x1b[32mexec\x1b[39m   '))
  t.true(eventLine(exit, time, colors).startsWith('03:04:05.067  \x1b[34mexit\x1b[39m   '))
  t.true(eventLine({ ...exit, exitCode: 1 }, time, colors).startsWith(red))
  t.true(eventLine({ ...exit, exitCode: null, signal: 'SIGKILL' }, time, colors).startsWith(red))
  t.false(eventLine({ ...exit, exitCode: null }, time, colors).startsWith(red))
})

test('whether to use colours', (t) => {
  const terminal = { isTTY: true, hasColors: () => true } as never
  const dumb = { isTTY: true, hasColors: () => false } as never
  const cases: [never, NodeJS.ProcessEnv, boolean][] = [
    [terminal, {}, true],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [dumb, {}, false],
    [{} as never, {}, false],
    [{} as never, { FORCE_COLOR: '1' }, true],
    [{} as never, { FORCE_COLOR: '', NO_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: 'false' }, false],
  ]
  for (const [stream, env, wanted] of cases) t.is(wantsColors(stream, env), wanted, JSON.stringify(env))
})

test('JSON has stable keys in a stable order', (t) => {
  const head = `"time":"${time.toISOString()}","timestampNs":7,"pid":123,"ppid":12,"name":"sh","origin":"kernel"`
  t.is(jsonLine(exec, time), `{"type":"exec",${head}}`)
  const tail = '"exitCode":0,"signal":null,"coreDumped":false,"durationNs":1234567'
  t.is(jsonLine(exit, time), `{"type":"exit",${head},${tail}}`)
  t.like(JSON.parse(jsonLine({ ...exec, process: {} }, time)), { ppid: null, name: null })
})

test('the clock keeps to one offset, and follows the time of day where that was set', (t) => {
  let now = { wall: 1_000_000, monotonic: 5000 }
  const clock = new WallClock(() => now)
  t.is(clock.timeOf(4000e6).getTime(), 999_000)
  now = { wall: 1_000_109, monotonic: 5100 }
  t.is(clock.timeOf(4000e6).getTime(), 999_000)
  now = { wall: 2_000_000, monotonic: 5200 }
  t.is(clock.timeOf(5199e6).getTime(), 1_999_999)
})

test('the summary is one line', (t) => {
  const summary = new Summary()
  t.is(summary.toLine(0, 0, 0), '0 execs and 0 exits in 0.0 s, 0 of them failed, 0 events lost')
  summary.add(exec)
  summary.add(exit)
  t.is(summary.toLine(5000, 1, 0), '1 exec and 1 exit in 5.0 s, 0 of them failed, 1 event lost')
  for (const change of [{ exitCode: 2 }, { exitCode: null, signal: 'SIGSEGV' as const }, { exitCode: null }]) {
    summary.add({ ...exit, ...change })
  }
  t.is(summary.toLine(123_000, 0, 7), '1 exec and 4 exits in 2m03s, 2 of them failed, 0 events lost, 7 lines skipped')
})

test('arguments', (t) => {
  t.deepEqual(parse([]), { command: 'watch', json: false })
  t.deepEqual(parse(['--json', '--name', '^a|b$', '--duration', '0.5']), {
    command: 'watch',
    json: true,
    name: /^a|b$/,
    durationMs: 500,
  })
  t.deepEqual(parse(['--name=-x']), { command: 'watch', json: false, name: /-x/ })
  t.deepEqual(parse(['--json', '-h']), { command: 'help' })
  t.deepEqual(parse(['--version']), { command: 'version' })
  const refused: [string[], RegExp][] = [
    [['--nope'], /^Unknown option '--nope'$/],
    [['that'], /'that'/],
    [['--json=1'], /--json/],
    [['--name'], /--name/],
    [['--name', '('], /^--name: .*\(/],
    ...['', ' ', '0', 'x', '5s', 'Infinity', 'NaN', '2147484'].map((text): [string[], RegExp] => [
      ['--duration', text],
      /^--duration must be /,
    ]),
    [['--duration=-1'], /^--duration must be .* '-1'$/],
  ]
  for (const [args, message] of refused)
    t.throws(() => parse(args), { instanceOf: UsageError, message }, args.join(' '))
})

test('help fits one screen of 80 columns, and has every option', (t) => {
  const lines = help().trimEnd().split('\n')
  t.true(lines.length <= 24)
  for (const line of lines) t.true(line.length <= 80, line)
  for (const { name } of OPTIONS) t.true(help().includes(`--${name}`))
})

test('errors become one line and an exit code', (t) => {
  const denied = new ProcessMonitorError('ERR_PERMISSION', 'bind: EPERM.\n  Run as root.')
  t.deepEqual([exitCodeOf(denied), describe(denied)], [3, 'ERR_PERMISSION: bind: EPERM. Run as root.'])
  t.is(exitCodeOf(new ProcessMonitorError('ERR_SOURCE_FAILED', 'x')), 1)
  t.is(exitCodeOf(new UsageError('x')), 2)
  t.deepEqual([exitCodeOf(new Error('x')), describe(new Error('x')), describe('y')], [1, 'x', 'y'])
})

/** Takes a write at a time, and each only when it is let. */
class SlowReader extends Writable {
  readonly batches: string[] = []
  #taken: ((error?: Error) => void) | null = null

  constructor() {
    super({ decodeStrings: false })
  }

  override _write(batch: string, _encoding: string, taken: (error?: Error) => void): void {
    this.batches.push(batch)
    this.#taken = taken
  }

  async take(error?: Error): Promise<void> {
    this.#taken?.(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('lines of one turn are written at once, and held while the reader is slow', async (t) => {
  const reader = new SlowReader()
  const skipped: number[] = []
  const output = new Output(reader, { heldMax: 3, onSkipped: (lines) => skipped.push(lines) })
  output.line('1')
  output.line('2')
  t.deepEqual(reader.batches, [])
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(reader.batches, ['1\n2\n'])
  for (const text of ['3', '4', '5', '6', '7']) output.line(text)
  t.is(output.skipped, 2)
  t.deepEqual(skipped, [])
  let ended = false
  const end = output.end().then(() => (ended = true))
  await reader.take()
  t.deepEqual([reader.batches, skipped, ended], [['1\n2\n', '3\n4\n5\n'], [2], false])
  await reader.take()
  t.true(await end)
  t.is(output.skipped, 2)
})

test('a reader who leaves ends the output quietly; any other failure is told', async (t) => {
  for (const code of ['EPIPE', 'ENOSPC']) {
    const reader = new SlowReader()
    const output = new Output(reader)
    output.line('1')
    output.flush()
    output.line('2')
    const end = output.end()
    await reader.take(Object.assign(new Error(code), { code }))
    await end
    if (code === 'EPIPE') await output.closed
    else await t.throwsAsync(output.closed, { message: code })
    output.line('3')
    output.flush()
    await output.end()
    t.deepEqual([output.open, reader.batches], [false, ['1\n']])
  }
})
