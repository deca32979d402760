/** `toChromeTrace` on events of the monitor, on objects of a recording, and on wrong arguments. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { type ProcessEvent, type TraceEntry, toChromeTrace } from '../../dist/index.js'
import { checkTrace } from '../support/trace-check.ts'

const base = (pid: number, ms: number) => ({
  pid,
  timestampNs: 1e12 + ms * 1e6,
  timeMs: 1.7e12 + ms,
  origin: 'kernel' as const,
})
const events: readonly ProcessEvent[] = [
  { type: 'fork', ...base(10, 0), ppid: 1, process: {} },
  { type: 'exec', ...base(10, 1), process: { name: 'make', argv: ['make', 'all'], cwd: '/src' } },
  { type: 'fork', ...base(11, 2), ppid: 10, process: {} },
  { type: 'exec', ...base(11, 3), process: { name: 'cc', argv: ['cc', 'a b.c'] } },
  {
    type: 'exit',
    ...base(11, 8),
    ppid: 10,
    exitCode: null,
    signal: 'SIGSEGV',
    coreDumped: true,
    durationNs: 5e6,
    durationSince: 'exec',
    process: { name: 'cc' },
  },
  { type: 'comm', ...base(10, 9), tid: 10, comm: 'x', process: {} },
]

test('events of the monitor become slices with their details', (t) => {
  const { traceEvents, otherData, displayTimeUnit } = toChromeTrace(events)
  t.is(displayTimeUnit, 'ms')
  t.like(otherData, { tool: 'proc-events', lost: 0, notDrawn: 0, host: null })
  t.like(checkTrace(traceEvents), { crossing: 0, unpaired: 0, slices: 2 })
  const [make, cc] = traceEvents.filter(({ ph }) => ph === 'X')
  t.like(make, { name: 'make', ts: 0, dur: 9000, cat: 'process' })
  t.deepEqual(make!.args, { pid: 10, ppid: 1, ended: 'still running', command: 'make all', cwd: '/src' })
  t.like(cc, { name: 'cc', ts: 2000, dur: 6000, cat: 'process,failed' })
  t.like(cc!.args, { parent: 'make', ended: 'SIGSEGV, core dumped', signal: 'SIGSEGV', command: "cc 'a b.c'" })
})

test('objects of a recording, and the report of run, become the same slices', (t) => {
  const read = (name: string): any[] =>
    readFileSync(new URL(`../support/${name}`, import.meta.url), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const recording = toChromeTrace([...read('recording.ndjson'), { type: 'summary' }])
  t.is(recording.otherData['lost'], 17)
  t.is(checkTrace(recording.traceEvents).slices, 14)
  const report = toChromeTrace(read('screens/run.json'))
  t.is(checkTrace(report.traceEvents).slices, 15)
  const names = ({ traceEvents }: typeof report) => traceEvents.filter(({ ph }) => ph === 'X').map(({ name }) => name)
  t.deepEqual(names(report), ['bash', ...names(recording)])
})

test('a shortest lifetime leaves out processes, and says how many', (t) => {
  const { otherData, traceEvents } = toChromeTrace(events, { minDurationMs: 7 })
  t.is(otherData['notDrawn'], 1)
  t.is(checkTrace(traceEvents).slices, 1)
  t.deepEqual(toChromeTrace([]).traceEvents.length, 1)
})

test('a wrong argument is a TypeError that names it', (t) => {
  const cases: [unknown[], string, RegExp][] = [
    [[5], 'ERR_INVALID_ARG_TYPE', /"entries" argument must be an iterable of objects/],
    [[null], 'ERR_INVALID_ARG_TYPE', /"entries"/],
    [[['x']], 'ERR_INVALID_ARG_TYPE', /"entries\[0\]"/],
    [[[{ type: 'exec' }]], 'ERR_INVALID_ARG_VALUE', /'entries\[0\]' is no entry: "time" is missing/],
    [[[{ type: 'run' }]], 'ERR_INVALID_ARG_VALUE', /'entries\[0\]' is no entry: "command" is missing/],
    [[[...events, { ...events[0], timeMs: NaN }]], 'ERR_INVALID_ARG_VALUE', /'entries\[6\]' is no entry/],
    [[[], { minDurationMS: 5 }], 'ERR_INVALID_ARG_VALUE', /Did you mean 'minDurationMs'\?/],
    [[[], { minDurationMs: '5' }], 'ERR_INVALID_ARG_TYPE', /options\.minDurationMs/],
  ]
  for (const [args, code, message] of cases) {
    t.throws(() => toChromeTrace(...(args as [TraceEntry[]])), { instanceOf: TypeError, code, message })
  }
})
