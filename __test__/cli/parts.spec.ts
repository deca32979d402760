/** The parts of the `proc-events` command that need no process: tables of plain values. */
import * as fc from 'fast-check'
import test from 'ava'
import { type ErrorCode, ProcessMonitorError, hintFor, nativeError } from '../../dist/src/api/errors.js'
import type { ExecEvent, ExitEvent, ProcessEvent } from '../../dist/src/api/event-types.js'
import { type Facts, diagnose, isHealthy } from '../../dist/src/cli/commands/diagnosis.js'
import { eventEntry } from '../../dist/src/recording/entry.js'
import { formatDuration, formatOffset, formatTime } from '../../dist/src/cli/output/format.js'
import { commandOf } from '../../dist/src/recording/words.js'
import { ProcessNames } from '../../dist/src/cli/entries/process-names.js'
import { entryLine, jsonLine, readEntry } from '../../dist/src/recording/ndjson.js'
import { isoTime } from '../../dist/src/recording/wall-clock.js'
import { excerpt } from '../../dist/src/recording/text.js'
import { UsageError, commandMessage, describe, exitCodeOf, signalCode } from '../../dist/src/cli/exit-codes.js'
import { wantsColors } from '../../dist/src/cli/output/output.js'
import { column, cut, line, widthOf, wrap } from '../../dist/src/cli/output/text.js'
import { printable } from '../../dist/src/recording/text.js'

const time = new Date(2024, 0, 2, 3, 4, 5, 67)
const exec: ExecEvent = {
  type: 'exec',
  pid: 123,
  timestampNs: 7,
  timeMs: time.getTime(),
  origin: 'kernel',
  process: { name: 'sh', ppid: 12 },
}
const exit: ExitEvent = {
  ...exec,
  type: 'exit',
  exitCode: 0,
  signal: null,
  coreDumped: false,
  ppid: 12,
  durationNs: 1_234_567,
  durationSince: 'exec',
}

test('durations are formatted with their unit', (t) => {
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

test('the time since the start is in seconds', (t) => {
  const cases: [number, string][] = [
    [0, '0.000s'],
    [1_234_567, '0.001s'],
    [9999.9994e9, '9999.999s'],
    [9999.9996e9, '10000.0s'],
  ]
  for (const [ns, text] of cases) t.is(formatOffset(ns), text)
})

test('the time is local, in milliseconds', (t) => {
  t.is(formatTime(time), '03:04:05.067')
  t.is(formatTime(new Date(2024, 0, 2, 23, 59, 59, 999)), '23:59:59.999')
})

test('the width of a text is its number of terminal columns', (t) => {
  const cases: [string, number][] = [
    ['', 0],
    ['abc', 3],
    ['äß', 2],
    ['漢字かなカナ한글', 16],
    ['ﾊﾝｶｸ', 4],
    ['ｆｕｌｌ', 8],
    ['a\u0301', 1],
    ['🚀', 2],
    ['…→├─', 4],
  ]
  for (const [text, width] of cases) t.is(widthOf(text), width, text)
})

test('a text is cut before it would wrap', (t) => {
  t.is(cut('abcdef', 6), 'abcdef')
  t.is(cut('abcdef', 5), 'abcd…')
  t.is(cut('漢字漢字', 8), '漢字漢字')
  t.is(cut('漢字漢字', 7), '漢字漢…')
  t.is(cut('漢字漢字', 6), '漢字…')
  t.is(cut('ab', 1), '…')
  t.is(cut('ab', 0), '')
  t.is(column('漢字', 6) + '|', '漢字  |')
  t.is(column('漢字', 6, 'right'), '  漢字')
  t.is(column('漢字', 3), '漢…')
  t.deepEqual(wrap('a bc def', 4), ['a bc', 'def'])
  const pieces = [['abc', 'red'], ['def']] as const
  t.is(line(pieces, { columns: 5, colors: true }), '\x1b[31mabc\x1b[39md…')
  t.is(line(pieces, { columns: 3, colors: true }), '\x1b[31mab…\x1b[39m')
  t.is(line(pieces, { columns: 3, colors: false }), 'ab…')
  t.is(line(pieces, { columns: 6, colors: false }), 'abcdef')
})

test('a long text is shortened without splitting a character', (t) => {
  t.is(excerpt('abc', 3), 'abc')
  t.is(excerpt('abcd', 3), 'abc…')
  t.is(excerpt('ab\u{1f600}d', 3), 'ab…')
  t.is(excerpt('é\ud800bcd', 3), 'é\ud800b…')
})

test('a name with control characters neither controls the terminal nor ends the line', (t) => {
  const name = 'a\n\x1b[2J\x7f\u{9b}\u{202e}\u{2028}\u{d800}é漢'
  const spelt = String.raw`a\x0a\x1b[2J\x7f\x9b\u{202e}\u{2028}\u{d800}é漢`
  t.is(printable(name), spelt)
  t.is(commandOf({ argv: [name, ''], name: null }), `'${spelt}' ''`)
})

test('a command line is quoted for a shell', (t) => {
  const cases: [string[] | null, string | null, string][] = [
    [['ls', '-l', '/tmp/a=b,c'], 'ls', 'ls -l /tmp/a=b,c'],
    [['sh', '-c', "it's $x"], 'sh', String.raw`sh -c 'it'\''s $x'`],
    [['-bash'], 'bash', '-bash'],
    [[], 'a b', 'a b'],
    [null, 'x\ty', String.raw`x\x09y`],
    [null, null, '-'],
  ]
  for (const [argv, name, text] of cases) t.is(commandOf({ argv, name }), text)
})

test('colours depend on the terminal and the environment', (t) => {
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

const around = { inheritedName: null, ppid: 12, parentName: 'make', user: null, showsArguments: true }

test('JSON has the same keys in the same order', (t) => {
  const head = `"time":"${time.toISOString()}","timestampNs":7,"pid":123,"ppid":12,"name":"sh","origin":"kernel"`
  const added = `"cwd":null,"gid":null,"loginUid":null,"startTime":null,"timeNs":"${time.getTime()}000007"`
  const unread = '"uid":null,"user":null,"exe":null,"argv":null,"cgroup":null,"containerId":null'
  const none = `"parentName":"make",${unread},"comm":null,${added}`
  const ofComm = `"parentName":"make",${unread},${added}`
  t.is(jsonLine(eventEntry(exec, around)), `{"type":"exec",${head},${none}}`)
  const own = '"exitCode":0,"signal":null,"coreDumped":false,"durationNs":1234567,"durationSince":"exec"'
  t.is(jsonLine(eventEntry(exit, around)), `{"type":"exit",${head},${own},${none}}`)
  const base = { pid: 123, timestampNs: 7, timeMs: time.getTime(), origin: 'kernel', process: { name: 'sh' } } as const
  const others: [ProcessEvent, string][] = [
    [{ type: 'fork', ppid: 12, ...base }, ''],
    [{ type: 'comm', tid: 4, comm: 'x', ...base }, '"tid":4,"comm":"x",'],
    [{ type: 'uid', ruid: 1, euid: 0, ...base }, '"ruid":1,"euid":0,'],
    [{ type: 'gid', rgid: 1, egid: 0, ...base }, '"rgid":1,"egid":0,'],
    [{ type: 'sid', ...base }, ''],
    [{ type: 'ptrace', tracerPid: 9, ...base }, '"tracerPid":9,'],
    [{ type: 'coredump', ppid: 12, ...base }, ''],
  ]
  for (const [event, keys] of others) {
    const rest = event.type === 'comm' ? ofComm : none
    t.is(jsonLine(eventEntry(event, around)), `{"type":"${event.type}",${head},${keys}${rest}}`)
  }
  const whole = {
    ...exec,
    process: {
      name: 'sh',
      uid: 5,
      exe: '/sh',
      argv: ['sh'],
      argvTruncated: true,
      cgroup: '/c',
      containerId: 'id',
      comm: 'renamed',
      cwd: '/w',
      gid: 6,
      loginUid: 7,
      startTime: 8,
    },
  } as const satisfies object
  const details = '"user":"bin","exe":"/sh","argv":["sh"],"argvTruncated":true,"cgroup":"/c","containerId":"id"'
  const more = `"comm":"renamed","cwd":"/w","gid":6,"loginUid":7,"startTime":8,"timeNs":"${time.getTime()}000007"`
  const event = { ...whole, process: { ...whole.process, argv: ['sh'] } }
  t.true(jsonLine(eventEntry(event, { ...around, user: 'bin' })).endsWith(`"uid":5,${details},${more}}`))
  const hidden = jsonLine(eventEntry(event, { ...around, showsArguments: false }))
  t.true(hidden.includes('"argv":null,"cgroup"'))
})

test('a line of an older version lacks keys, which are null then', (t) => {
  const whole = readEntry(jsonLine(eventEntry(exit, around)))
  const absent = { comm: null, cwd: null, gid: null, loginUid: null, startTime: null }
  const old = JSON.parse(jsonLine(whole!))
  for (const key of [...Object.keys(absent), 'durationSince']) delete old[key]
  t.deepEqual<object | null, object>(readEntry(JSON.stringify(old)), { ...old, ...absent })
})

test("a process without an exec has its parent's name", (t) => {
  const names = new ProcessNames(true, '/nowhere')
  const base = { timestampNs: 7, timeMs: 8, origin: 'kernel' } as const
  names.observe({ type: 'exec', pid: 2, ...base, process: { name: 'sh', ppid: 1 } })
  names.observe({ type: 'fork', pid: 3, ppid: 2, ...base, process: {} })
  t.deepEqual([names.known(3), names.of(2), names.of(1), names.of(null)], ['sh', 'sh', null, null])
  t.is(names.parentOf({ type: 'exec', pid: 3, ...base, process: {} }), 2)
  names.observe({ ...exit, pid: 2 })
  names.observe({ ...exit, pid: 3 })
  t.deepEqual([names.known(2), names.known(3)], [null, null])
  t.is(eventEntry({ ...exit, process: {} }, { ...around, inheritedName: 'sh' }).name, 'sh')
  t.is(eventEntry({ ...exec, process: {} }, { ...around, inheritedName: 'sh' }).name, null)
})

const healthy: Facts = {
  version: '1.2.3',
  node: '20.0.0',
  kernel: '6.18',
  user: 'root',
  procRoot: '/proc',
  netlink: null,
  usage: null,
  polls: true,
  isForeign: false,
  capabilities: ['CAP_SYS_PTRACE'],
  hidepid: null,
  selfTest: {
    priority: 'realtime',
    receiveBufferSize: 16 * 2 ** 20,
    tracked: 100,
    started: 2,
    execs: 2,
    exits: 2,
    captured: 2,
    latenciesNs: [30_000, 2_000_000, 20_000],
  },
  pollingTest: { watching: 'cursor', started: 20, execs: 18, exits: 20 },
}

test('each check of the doctor has a name, a status, and advice if something is wrong', (t) => {
  const found = (over: Partial<Facts>) => {
    const checks = diagnose({ ...healthy, ...over })
    const odd = checks.filter(({ status }) => status !== 'ok')
    t.true(odd.every(({ advice }) => advice !== null && advice.endsWith('.')))
    return [isHealthy(checks), ...odd.map(({ name, status }) => `${name} ${status}`)]
  }
  t.deepEqual(found({}), [true])
  t.true(diagnose(healthy).some(({ detail }) => detail.endsWith('latency 30 µs median, 2.0ms max')))
  const refused = { netlink: { code: 'ERR_PERMISSION', hint: 'Run as root.' }, selfTest: null }
  t.deepEqual(found(refused), [false, 'live events failed'])
  t.deepEqual(found({ polls: false }), [false, 'polling failed'])
  t.deepEqual(found({ usage: { code: 'ERR_PERMISSION', hint: 'Run as root.' } }), [true, 'costs warning'])
  const hidden = { capabilities: [], hidepid: 'hidepid=2' }
  const warnings = ['polling warning', 'permissions warning', 'hidepid warning']
  t.deepEqual(found(hidden), [true, ...warnings])
  t.deepEqual(found({ ...hidden, pollingTest: null }), [true, ...warnings])
  t.deepEqual(found({ hidepid: 'hidepid=2' }), [true])
  t.deepEqual(found({ polls: false, hidepid: 'hidepid=2' }), [false, 'polling failed'])
  const pollingTest = healthy.pollingTest!
  t.deepEqual(found({ pollingTest: { ...pollingTest, execs: 17 } }), [true, 'polling warning'])
  t.deepEqual(found({ pollingTest: { watching: 'snapshot', started: 20, execs: 2, exits: 2 } }), [
    true,
    'polling warning',
  ])
  const detailOf = (over: Partial<Facts>) => diagnose({ ...healthy, ...over }).find(({ name }) => name === 'polling')!
  t.regex(detailOf({}).detail, /18 execs and 20 exits were seen by looks at new process ids$/)
  t.is(detailOf({}).advice, null)
  t.regex(detailOf(refused).advice!, /CAP_PERFMON.*--cap-add PERFMON.*perf_event_paranoid.*seccomp/)
  t.regex(detailOf({ ...refused, isForeign: true }).advice!, /HOST_PROC/)
  const snapshots = { pollingTest: { ...pollingTest, watching: 'snapshot' } } as const
  t.regex(detailOf({ ...refused, ...snapshots }).advice!, /last process id/)
  const perfTest = { pollingTest: { ...pollingTest, watching: 'perf' } } as const
  t.regex(detailOf({ ...refused, ...perfTest }).detail, / by perf events$/)
  t.is(detailOf({ ...refused, ...perfTest }).advice, null)
  const selfTest = healthy.selfTest!
  t.deepEqual(found({ selfTest: { ...selfTest, priority: 'ordinary', captured: 1 } }), [
    true,
    'priority warning',
    'details warning',
  ])
  t.deepEqual(found({ selfTest: { ...selfTest, receiveBufferSize: 212_992 } }), [true, 'buffer warning'])
  t.deepEqual(found({ selfTest: { ...selfTest, exits: 1, latenciesNs: [] } }), [false, 'self-test failed'])
})

test('the advice of the command is not a call in JavaScript', (t) => {
  const codes: ErrorCode[] = [
    'ERR_PERMISSION',
    'ERR_PID_NAMESPACE',
    'ERR_USER_NAMESPACE',
    'ERR_NETWORK_NAMESPACE',
    'ERR_CONNECTOR_UNAVAILABLE',
    'ERR_PROC_UNREADABLE',
    'ERR_PROC_NAMESPACE',
    'ERR_SOURCE_FAILED',
    'ERR_UNSUPPORTED_PLATFORM',
  ]
  for (const code of codes) {
    const hint = commandMessage(hintFor(code) ?? '', code)
    t.regex(hint, /[\w)]\.$/, code)
    t.notRegex(hint, /\(\)|process\.|option /, code)
  }
})

test('each error becomes one line and an exit code', (t) => {
  const denied = new ProcessMonitorError('ERR_PERMISSION', 'bind: EPERM.\n  Run as root.')
  t.deepEqual([exitCodeOf(denied), describe(denied)], [3, 'ERR_PERMISSION: bind: EPERM. Run as root.'])
  t.is(exitCodeOf(new ProcessMonitorError('ERR_SOURCE_FAILED', 'x')), 1)
  t.is(
    describe(nativeError('ERR_SOURCE_FAILED', { errno: 0, context: 'x' })),
    'ERR_SOURCE_FAILED: x. Start the command again.',
  )
  t.is(exitCodeOf(new UsageError('x')), 2)
  t.deepEqual([exitCodeOf(new Error('x')), describe(new Error('x')), describe('y')], [1, 'x', 'y'])
  const signals: [string, number][] = [
    ['SIGTERM', 143],
    ['SIGKILL', 137],
    ['SIGRTMIN+0', 162],
    ['SIGRTMIN+1', 163],
    ['SIGRTMIN+30', 192],
    ['SIG33', 161],
    // This code is not one of the kernel's.
    ['SIGRTMIN+31', 128],
    ['SIG65', 128],
    ['SIGx', 128],
    ['RTMIN+1', 128],
  ]
  for (const [signal, code] of signals) t.is(signalCode(signal), code, signal)
})

test('the line of any entry is its JSON, however often its texts came before', (t) => {
  const text = fc.oneof(
    fc.constantFrom('', 'sh', '/bin/sh', 'a"b', 'a\\b', '\u001b[2J', '\u202e', '\ud800', '😀', 'é'),
    fc.string({ unit: 'binary' }),
  )
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-0, 2 ** 53, 1e21))
  const list = fc.array(text, { maxLength: 4 })
  const value = fc.oneof(
    text,
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    list,
    fc.dictionary(text, number),
  )
  const key = fc.oneof(fc.constantFrom('type', 'time', 'timeNs', 'name', 'argv', 'usage', 'uid'), fc.string())
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true }), (entry: any) => {
      for (const one of Object.values(entry)) if (Array.isArray(one) && one.length % 2 === 0) Object.freeze(one)
      for (let again = 0; again < 2; again++) t.is(entryLine(entry), jsonLine(entry))
      for (const one of Object.values(entry)) if (Array.isArray(one) && !Object.isFrozen(one)) one.push('more')
      t.is(entryLine(entry), jsonLine(entry))
    }),
    { numRuns: 2000 },
  )
  const long = { name: 'x'.repeat(5000) } as any
  t.is(entryLine(long), jsonLine(long))
  // More texts than are remembered.
  for (let i = 0; i < 10_000; i++) t.is(entryLine({ name: `${i}"` } as any), jsonLine({ name: `${i}"` }))
})

test('the time of day is that of Date', (t) => {
  const moments = [
    0, 1, 999, 999.999, 1000, 1_767_323_045_000.001, 1_767_323_045_999.9, 1_767_323_044_999.999, -1, -0.5,
  ]
  for (const ms of moments) t.is(isoTime(ms), new Date(ms).toISOString(), String(ms))
})
