/** The benchmark's calculations, without a kernel, and one short run of it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { captureTable, countLines } from '../../bench/capture-table.ts'
import { curve, points } from '../../bench/curve.ts'
import { plot } from '../../bench/plot.ts'
import { parseSchedstat, parseStatus, parseTicks } from '../../bench/procfs.ts'
import {
  between,
  coverage,
  parseBpftrace,
  parseExtrace,
  parseForkstat,
  parseRecords,
  type Seen,
} from '../../bench/records.ts'
import { align, figure, report, summarize } from '../../bench/report.ts'
import type { Run } from '../../bench/run.ts'
import type { Scaled } from '../../bench/scale/main.ts'
import { growth, NOISE, scaleReport, verdicts, type Part } from '../../bench/scale/table.ts'
import { spansOf } from '../../bench/spans.ts'
import { medians, quantile, spread } from '../../bench/statistics.ts'
import { targets } from '../../bench/targets.ts'
import { has } from '../support/load.ts'

const root = join(import.meta.dirname, '..', '..')

const one: Run = {
  peer: 'proc-events',
  scenario: 'storm-1',
  warmUp: 'long',
  loadAverage: 0.5,
  made: 1000,
  execs: 1000,
  exits: 1000,
  complete: 100,
  cpu: 0.01,
  cpuPerEvent: 5,
  wakeUpsPerEvent: 0.1,
  resident: 50,
  rate: 8000,
  steal: 0,
  p50: Number.NaN,
  p90: Number.NaN,
  p99: Number.NaN,
}

test('a quantile is interpolated between its neighbours', (t) => {
  t.is(quantile([3, 1, 2], 0.5), 2)
  t.is(quantile([4, 1, 2, 3], 0.5), 2.5)
  t.is(quantile([7], 0.99), 7)
  t.is(quantile([], 0.5), Number.NaN)
  t.deepEqual(spread([5, Number.NaN, 1, 3]), { median: 3, least: 1, most: 5 })
  t.deepEqual(
    medians([
      { a: 1, b: 5 },
      { a: 9, b: 3 },
      { a: 2, b: 4 },
    ]),
    { a: 2, b: 4 },
  )
})

test('decoded records equal the encoded ones', (t) => {
  const bytes = new Uint8Array(Uint32Array.of(10, 1, 5000, 10, 2, 0).buffer)
  t.deepEqual(parseRecords(bytes), [
    { pid: 10, type: 'exec', late: 5000 },
    { pid: 10, type: 'exit', late: 0 },
  ])
  t.deepEqual(parseRecords(bytes.subarray(0, 20)).length, 1, 'an incomplete record is ignored')
})

test('the lines of bpftrace are parsed', (t) => {
  t.deepEqual(parseBpftrace('Attaching 2 probes...\nexec 7\nexit 7\n'), [
    { pid: 7, type: 'exec', late: 0 },
    { pid: 7, type: 'exit', late: 0 },
  ])
})

test('events before and after the measured load do not count, even if a pid is reused', (t) => {
  const seen: Seen[] = [
    { pid: 1, type: 'exec', late: 0 },
    { pid: 1, type: 'exit', late: 0 },
    { pid: 2, type: 'exec', late: 0 },
    { pid: 1, type: 'exec', late: 7 },
    { pid: 1, type: 'exec', late: 9 },
  ]
  t.deepEqual(between(Uint32Array.of(1), seen, [1]), seen.slice(2, 4))
  t.deepEqual(between([], seen, []), seen)
})

test('the lines of forkstat and extrace are parsed', (t) => {
  const forkstat = [
    'Time     Event   PID Info   Duration Process',
    '23:37:19 exec  28188                 /bin/true 1',
    '23:37:19 exit   8189      0   0.004s /bin/true 1',
    '23:37:19 fork  28190 parent           sh',
  ].join('\n')
  t.deepEqual(parseForkstat(forkstat), [
    { pid: 28188, type: 'exec', late: 0 },
    { pid: 8189, type: 'exit', late: 0 },
  ])
  t.deepEqual(parseExtrace('    28349+ grep -E 1- x\n  28342- true exited status=0 time=0.399s\n'), [
    { pid: 28349, type: 'exec', late: 0 },
    { pid: 28342, type: 'exit', late: 0 },
  ])
  t.deepEqual(countLines('1:2:3 exec 5   /tmp/p a\n  6 /tmp/p a\n 7+ <p>\n', '/tmp/p', 'a').argv, 2)
})

test('each process instance counts once at most, and other processes do not count', (t) => {
  const seen = (pid: number, type: Seen['type'], late = 0): Seen => ({ pid, type, late })
  const { execs, exits, p50 } = coverage(Uint32Array.of(1, 2, 2), [
    seen(1, 'exec', 1000),
    seen(1, 'exec', 9000),
    seen(2, 'exec', 3000),
    seen(2, 'exec', 2000),
    seen(3, 'exec', 9000),
    seen(2, 'exit'),
  ])
  t.deepEqual([execs, exits, p50], [3, 1, 2])
  t.is(coverage(Uint32Array.of(1), []).p50, Number.NaN)
})

test('CPU time, memory and context switches are read from /proc', (t) => {
  t.is(parseSchedstat('366084000 9502346 3\n'), 0.366084)
  const status =
    'Name:\tx\nVmHWM:\t 3072 kB\nVmRSS:\t    2048 kB\nRssAnon:\t  1024 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t2\n'
  t.deepEqual(parseStatus(status), { switches: 9, resident: 2, anonymous: 1, peak: 3 })
  t.deepEqual(parseStatus(''), { switches: 0, resident: 0, anonymous: 0, peak: 0 })
  t.deepEqual(parseTicks('cpu  10 1 2 80 1 1 1 4 9 0\ncpu0 1 2\n'), { total: 100, steal: 4 })
})

test('the spans of a trace are its CPU time between system calls, without the time asleep', (t) => {
  const trace = `
 7 1.000001000: PERF_RECORD_SWITCH IN
 7 1.000002000:  raw_syscalls:sys_exit: NR 232 = 1
 7 1.000005000: raw_syscalls:sys_enter: NR 299 (1a, 7f, 8, 60, 0, 0)
 9 1.000005500: PERF_RECORD_SWITCH IN
 7 1.000006000: PERF_RECORD_SWITCH OUT preempt
 9 1.000007000: PERF_RECORD_SWITCH OUT
 7 2.000000000: PERF_RECORD_SWITCH IN
 7 2.000000250:  raw_syscalls:sys_exit: NR 299 = 1
 7 2.000001250: raw_syscalls:sys_enter: NR 999 ()
 7 2.000001500: PERF_RECORD_SWITCH OUT
`
  const spans = spansOf(trace, 'x64').map((span) => ({ ...span, cpu: Math.round(1000 * span.cpu) }))
  t.deepEqual(spans, [
    { thread: 7, name: 'before the trace', cpu: 1000, times: 0 },
    { thread: 7, name: 'after epoll_wait', cpu: 3000, times: 1 },
    { thread: 7, name: 'recvmmsg', cpu: 1250, times: 1 },
    { thread: 9, name: 'before the trace', cpu: 1500, times: 0 },
    { thread: 7, name: 'after recvmmsg', cpu: 1000, times: 1 },
    { thread: 7, name: 'system call 999', cpu: 250, times: 1 },
  ])
})

test('runs become medians, a table, a plot and a verdict on each target', (t) => {
  const runs = [
    one,
    { ...one, cpuPerEvent: 7, rate: 6000 },
    { ...one, cpuPerEvent: 6, complete: 99 },
    { ...one, peer: 'no observer', cpuPerEvent: Number.NaN, rate: 10_000 },
    { ...one, peer: 'C, filter', cpuPerEvent: 4 },
    { ...one, warmUp: 'short', cpuPerEvent: 80, rate: 7000 },
    { ...one, warmUp: 'short', peer: 'no observer', cpuPerEvent: Number.NaN, rate: 14_000 },
  ] as const
  const summaries = summarize(runs)
  const first = summaries.find(({ peer, warmUp }) => peer === 'proc-events' && warmUp === 'short')
  t.deepEqual([first?.cpuPerEvent.median, first?.slowDown], [80, 50], 'the first seconds are apart')
  t.deepEqual(summaries[0]?.cpuPerEvent, { median: 6, least: 5, most: 7 })
  t.is(Math.round(summaries[0]?.slowDown ?? 0), 20)
  const table = report(summaries)
  t.regex(table, /proc-events .*6\.00 \(5\.00–7\.00\)/)
  t.regex(table, /in the first seconds\n.*load average\nproc-events .* 80\.0 .*0\.50$/m)
  t.false(table.includes('p50'), 'an empty column is omitted')
  t.regex(plot(summaries), /^<svg [^]*proc-events[^]*<\/svg>\n$/)
  t.deepEqual(targets(summaries), [
    "FAILS  storm-1, CPU per event, of the C floor's: 1.50, at most 1",
    'FAILS  storm-1, events missed: 1.00 %, at most 0 %',
    'holds  storm-1, in the first seconds, events missed: 0.00 %, at most 0 %',
  ])
})

test('columns of tables are aligned', (t) => {
  t.is(
    align([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
    'a    bb\nccc   d',
  )
  t.deepEqual([0.01234, 5, 12.34, 1234.5, Number.NaN].map(figure), ['0.012', '5.00', '12.3', '1,235', '–'])
  const row = { peer: 'x', load: 'y', made: 300, exe: 150, argv: 300, name: Number.NaN }
  t.is(captureTable([row]), 'exe / argv / name, in %             y\nx                        50 / 100 / –')
})

test('the curve joins the latencies of this package in order', (t) => {
  const paced = { ...one, scenario: 'paced', p50: 100, p99: 1000 }
  const summaries = summarize([
    { ...paced, peer: 'proc-events, 100 ms', cpuPerEvent: 2, p50: 50_000, p99: 100_000 },
    { ...paced, peer: 'proc-events, 20 ms', cpuPerEvent: 4, p50: 10_000, p99: 20_000 },
    { ...paced, cpuPerEvent: 30 },
    { ...paced, peer: 'C, filter', cpuPerEvent: 5 },
    { ...paced, peer: 'Node, polling', p50: Number.NaN, p99: Number.NaN },
    { ...paced, warmUp: 'short', cpuPerEvent: 60 },
  ])
  t.deepEqual(
    points(summaries).map(({ name }) => name),
    ['proc-events, 100 ms', 'proc-events, 20 ms', 'proc-events', 'C, filter'],
  )
  const svg = curve(summaries)
  const [, line] = /<path d="M([^"]*)" fill="none"/.exec(svg) ?? []
  const xs = line!.split('L').map((place) => Number(place.split(' ')[0]))
  t.deepEqual(
    xs,
    xs.toSorted((a, b) => a - b),
  )
  t.is(xs.length, 3)
  // JSON has null for a figure that was not measured.
  t.is(curve(JSON.parse(JSON.stringify(summaries)) as typeof summaries), svg)
  t.regex(curve([]), /^<svg [^]*<\/svg>\n$/)
})

test('growth is that of a figure against the work, and a verdict tolerates noise only', (t) => {
  const rows = [
    { name: 'a', work: 10, figures: { ms: 2, stall: 3 } },
    { name: 'b', work: 10, figures: { ms: 5, stall: 3 } },
    { name: 'a', work: 100, figures: { ms: 25, stall: 3 } },
    { name: 'b', work: 100, figures: { ms: 500, stall: 11 } },
  ]
  const part: Part = { title: 'things', unit: 'things', rows, linear: { ms: NOISE }, limits: { stall: 10 } }
  t.deepEqual(growth(rows, rows[2]!, 'ms'), { work: 10, figure: 12.5 })
  t.is(growth(rows, rows[0]!, 'ms'), undefined)
  t.deepEqual(
    verdicts(part).filter((line) => line.startsWith('FAILS')),
    ['FAILS  b, 100 things: ×10.0 work, ×100 ms', 'FAILS  b, 100 things: stall 11.0, at most 10'],
  )
  t.regex(scaleReport([part]), /^a +100 \(×10\.0\) +25\.0 \(×12\.5\) +3\.00$/m)
})

test('a quick run of scale reports every process, matches every event, and has one reader for all workers', (t) => {
  if (!has(t, 'cc')) return
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  try {
    const json = join(folder, 'scale.json')
    const args = ['bench/main.ts', 'scale', '--quick', '--json', json]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    t.is(status, 0, stderr)
    t.regex(stdout, /^holds {2}exec and exit, 4 workers: readers 1/m)
    const { parts } = JSON.parse(readFileSync(json, 'utf8')) as { parts: Scaled }
    const [processes, subscriptions, workers] = parts.map(({ rows }) => rows)
    t.deepEqual(
      processes?.map(({ name, work, figures }) => [name, work, figures.reported]),
      [50, 500].flatMap((work) => ['plain', 'name, exe, argv'].map((name) => [name, work, work])),
    )
    t.deepEqual(
      subscriptions?.map(({ name, work, figures }) => [name, work, figures['matched %'], figures['wrongly matched']]),
      ['names', 'patterns'].flatMap((name) => [10, 100].map((work) => [name, work, 100, 0])),
    )
    t.deepEqual(
      workers?.map(({ work, figures }) => [
        work,
        figures['complete workers'],
        figures.readers,
        figures['readers afterwards'],
      ]),
      [1, 4].map((work) => [work, work, 1, 0]),
    )
    for (const { figures } of parts.flatMap(({ rows }) => rows)) {
      for (const [name, figure] of Object.entries(figures)) t.true(Number.isFinite(figure), name)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a quick run sees every event', (t) => {
  if (!has(t, 'cc')) return
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-'))
  try {
    const json = join(folder, 'bench.json')
    const args = ['bench/main.ts', '--quick', '--peer', 'proc-events', '--scenario', 'storm-2,threads', '--json', json]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    t.is(status, 0, stderr)
    t.regex(stdout, /^event loop +late p50 ms[^]*^Node\.js alone +\d[^]*^proc-events, callbacks of 50 µs +\d/m)
    const { runs } = JSON.parse(readFileSync(json, 'utf8')) as { runs: Run[] }
    const own = runs.filter(({ peer }) => peer === 'proc-events')
    t.deepEqual(
      own.map(({ scenario, warmUp, complete }) => [scenario, warmUp, complete]),
      [
        ['storm-2', 'short', 100],
        ['storm-2', 'long', 100],
        ['threads', 'long', 100],
      ],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
