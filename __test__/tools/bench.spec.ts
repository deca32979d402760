/** The benchmark's calculations, without a kernel, and one short run of it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { captureTable, countLines } from '../../bench/capture-table.ts'
import { plot } from '../../bench/plot.ts'
import { parseSchedstat, parseStatus, parseTicks } from '../../bench/procfs.ts'
import {
  coverage,
  parseBpftrace,
  parseExtrace,
  parseForkstat,
  parseRecords,
  type Seen,
  without,
} from '../../bench/records.ts'
import { align, figure, report, summarize } from '../../bench/report.ts'
import type { Run } from '../../bench/run.ts'
import { quantile, spread } from '../../bench/statistics.ts'
import { targets } from '../../bench/targets.ts'
import { has } from '../support/load.ts'

const root = join(import.meta.dirname, '..', '..')

const one: Run = {
  peer: 'proc-events',
  scenario: 'storm-1',
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

test('records of the warm-up do not count, even if a pid is reused', (t) => {
  const seen: Seen[] = [
    { pid: 1, type: 'exec', late: 0 },
    { pid: 1, type: 'exit', late: 0 },
    { pid: 2, type: 'exec', late: 0 },
    { pid: 1, type: 'exec', late: 7 },
  ]
  t.deepEqual(without(Uint32Array.of(1), seen), seen.slice(2))
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
    'Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t  1024 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t2\n'
  t.deepEqual(parseStatus(status), { switches: 9, resident: 2, anonymous: 1 })
  t.deepEqual(parseStatus(''), { switches: 0, resident: 0, anonymous: 0 })
  t.deepEqual(parseTicks('cpu  10 1 2 80 1 1 1 4 9 0\ncpu0 1 2\n'), { total: 100, steal: 4 })
})

test('runs become medians, a table, a plot and a verdict on each target', (t) => {
  const runs = [
    one,
    { ...one, cpuPerEvent: 7, rate: 6000 },
    { ...one, cpuPerEvent: 6, complete: 99 },
    { ...one, peer: 'no observer', cpuPerEvent: Number.NaN, rate: 10_000 },
    { ...one, peer: 'C, filter', cpuPerEvent: 4 },
  ]
  const summaries = summarize(runs)
  t.deepEqual(summaries[0]?.cpuPerEvent, { median: 6, least: 5, most: 7 })
  t.is(Math.round(summaries[0]?.slowDown ?? 0), 20)
  const table = report(summaries)
  t.regex(table, /proc-events .*6\.00 \(5\.00–7\.00\)/)
  t.false(table.includes('p50'), 'an empty column is omitted')
  t.regex(plot(summaries), /^<svg [^]*proc-events[^]*<\/svg>\n$/)
  t.deepEqual(targets(summaries), [
    "FAILS  storm-1, CPU per event, of the C floor's: 1.50, at most 1",
    'FAILS  storm-1, events missed: 1.00 %, at most 0 %',
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
      own.map(({ scenario, complete }) => [scenario, complete]),
      [
        ['storm-2', 100],
        ['threads', 100],
      ],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
