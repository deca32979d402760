/**
 * Every view of the command on one recording, against the expected screens. The file is long because all views share that
 * recording.
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import test from 'ava'
import { parse } from '../../dist/src/cli/flags/args.js'
import type { EventType } from '../../dist/src/api/event-types.js'
import type { Entry } from '../../dist/src/recording/entry.js'
import { ProcessNames } from '../../dist/src/cli/entries/process-names.js'
import { jsonLine, readEntry } from '../../dist/src/recording/ndjson.js'
import { entryFilter } from '../../dist/src/cli/entries/filters.js'
import { widthOf } from '../../dist/src/cli/output/text.js'
import { Users } from '../../dist/src/cli/entries/users.js'
import { ProcessTree } from '../../dist/src/pictures/process-tree.js'
import { Histogram } from '../../dist/src/cli/views/histogram.js'
import { Lines } from '../../dist/src/cli/views/lines.js'
import { Report } from '../../dist/src/cli/views/report.js'
import { Summary } from '../../dist/src/cli/views/summary.js'
import { Top } from '../../dist/src/cli/views/top.js'
import { Tree } from '../../dist/src/cli/views/tree.js'
import { command } from '../support/cli-harness.ts'
import { fileOf, recording, screens, text } from '../support/screens.ts'
import { until } from '../support/helpers.ts'

for (const [name, lines] of Object.entries(screens)) {
  test(`${name} equals the expected screen`, (t) => {
    // Reading and writing a recording leaves it unchanged.
    const expected = name === 'json.ndjson' ? text : readFileSync(fileOf(name), 'utf8')
    t.is(`${lines().join('\n')}\n`, expected)
  })
}

/** A process tree with costs: `a` runs `b`, which computes, and `c`, which uses memory. */
const costly: readonly Entry[] = (
  [
    [1, 0, 'a', 5e6, 3 * 2 ** 20],
    [2, 1, 'b', 900e6, 2 ** 20],
    [3, 1, 'c', 1e6, 900 * 2 ** 20],
    [4, 3, 'd', null, null],
  ] as const
).flatMap(([pid, ppid, name, cpuNs, maxRssBytes]) => {
  const entry = { time: '2026-01-02T03:04:05.000Z', pid, ppid, name, argv: [name], exitCode: 0, durationNs: 5e9 }
  const usage = cpuNs === null ? null : { cpuNs, maxRssBytes }
  const exec = readEntry(JSON.stringify({ ...entry, type: 'exec', timestampNs: pid * 1e9 }))!
  return [exec, readEntry(JSON.stringify({ ...entry, type: 'exit', timestampNs: 10e9 - pid, usage }))!]
})

test('the report has costs, sorts by them, and adds totals by program', (t) => {
  const tree = new ProcessTree()
  for (const entry of costly.toSorted((a, b) => a.timestampNs - b.timestampNs)) tree.add(entry)
  const [report, plain] = [new Report(tree), { columns: 80, colors: false }]
  const outcome = { command: ['a'], exitCode: 0, signal: null, lost: 0 }
  const commands = (sort: 'start' | 'cpu' | 'memory') =>
    report
      .lines(outcome, plain, { sort, minDurationNs: 0 })
      .slice(1, -1)
      .map((text) => text.trim().at(-1))
      .join('')
  t.deepEqual([commands('start'), commands('cpu'), commands('memory')], ['abcd', 'abcd', 'acdb'])
  t.deepEqual(report.lines(outcome, plain).slice(0, 5), [
    'STATUS         START LIFETIME      CPU   MEMORY     PID  COMMAND',
    '0             0.000s     9.0s    5.0ms   3.0MiB       1  a',
    '0             1.000s     8.0s  900.0ms   1.0MiB       2  ├─ b',
    '0             2.000s     7.0s    1.0ms   900MiB       3  └─ c',
    '0             3.000s     6.0s        -        -       4     └─ d',
  ])
  t.deepEqual(report.totals(outcome, plain, { sort: 'memory', minDurationNs: 0 }), [
    '',
    '    COUNT   FAILED LIFETIME      CPU   MEMORY  PROGRAM',
    '        1        0     7.0s    1.0ms   900MiB  c',
    '        1        0     9.0s    5.0ms   3.0MiB  a',
    '        1        0     8.0s  900.0ms   1.0MiB  b',
    '        1        0     6.0s        -        -  d',
  ])
})

test('the summary, the busiest programs and the lines have costs, or say why not', (t) => {
  const plain = { columns: 100, colors: false }
  const [summary, top, lines, quiet, tree] = [new Summary(), new Top(), new Lines(true), new Lines(), new Tree(true)]
  for (const entry of costly) for (const view of [summary, top]) view.add(entry)
  const programs = summary.toLines(1000, 9, plain)
  t.true(programs.some((text) => /^PROGRAM .* CPU +MEMORY$/.test(text)))
  t.true(programs.some((text) => /^c .* 1\.0ms +900MiB$/.test(text)))
  t.true(programs.some((text) => /^d .* - +-$/.test(text)))
  t.like(summary.toObject(1000), { programs: { 2: { name: 'c', cpuNs: 1e6, maxRssBytes: 900 * 2 ** 20 } } })
  const frame = top.frame(10e9, { ...plain, rows: 20 })
  t.true(frame.some((text) => /CPU +MEMORY +COMMAND$/.test(text.trimEnd())))
  t.true(frame.some((text) => /^b .* 900\.0ms +1\.0MiB +b$/.test(text)))
  const [, exit] = costly as readonly [Entry, Entry]
  t.regex(lines.add(exit, plain)[0]!, / a \[cpu 5\.0ms, 3\.0MiB\]$/)
  t.regex(tree.add(exit, plain)[0]!, / a \[cpu 5\.0ms, 3\.0MiB\]$/)
  t.regex(quiet.add(exit, plain)[0]!, / a$/)
  t.regex(lines.add(costly.at(-1)!, plain)[0]!, / d \[cost unknown\]$/)
  const note = {
    type: 'note',
    time: exit.time,
    timestampNs: 1,
    note: 'usage',
    code: null,
    message: 'Unknown.',
  } as const
  const without = new Summary()
  without.add(note)
  t.deepEqual(without.toLines(1000, 9, plain).slice(1), ['', 'Unknown.'])
  t.regex(lines.add(note, plain)[0]!, /!note +Unknown\.$/)
})

test('no line is wider than the terminal at any width', (t) => {
  const entries = text
    .trimEnd()
    .split('\n')
    .map((line) => readEntry(line)!)
  for (let columns = 1; columns <= 130; columns++) {
    const layout = { columns, colors: columns % 2 === 0 }
    const [tree, lines, top, report] = [new Tree(), new Lines(), new Top(), new Report(new ProcessTree())]
    const shown = [...tree.header(layout), ...lines.header(layout)]
    for (const entry of entries) {
      shown.push(...tree.add(entry, layout), ...lines.add(entry, layout))
      top.add(entry)
      report.tree.add(entry)
    }
    shown.push(...top.frame(entries.at(-1)!.timestampNs, { ...layout, rows: 24 }))
    shown.push(...report.lines({ command: [], exitCode: 0, signal: null, lost: 0 }, layout))
    for (const line of shown) {
      t.true(widthOf(stripVTControlCharacters(line)) <= columns, `${columns}: ${line}`)
      // oxlint-disable-next-line no-control-regex -- the test looks for control characters
      t.notRegex(stripVTControlCharacters(line), /[\x00-\x1f\x7f-\x9f]/)
    }
  }
})

test('a frame has no more lines than the terminal', (t) => {
  for (let rows = 1; rows < 12; rows++) {
    t.true(new Top().frame(0, { columns: 80, rows, colors: false }).length <= rows)
  }
})

const event = (over: object): Entry =>
  readEntry(jsonLine({ type: 'exec', time: '2026-01-02T03:04:05.000Z', timestampNs: 1e9, pid: 5, ...over }))!

test('the tree stays bounded if children outlive their parents repeatedly', (t) => {
  const tree = new Tree()
  const layout = { columns: Infinity, colors: false }
  let longest = 0
  for (let pid = 2; pid < 500; pid++) {
    const own = { pid, ppid: pid - 1, name: 'sh' }
    for (const line of tree.add(event({ type: 'fork', ...own }), layout)) longest = Math.max(longest, line.length)
    for (const line of tree.add(event(own), layout)) longest = Math.max(longest, line.length)
    tree.add(event({ type: 'exit', pid: pid - 1, ppid: pid - 2 }), layout)
  }
  t.true(longest < 250)
})

test('a reused pid appears as two processes in a report', (t) => {
  const report = new Report(new ProcessTree())
  for (const over of [
    { pid: 10, name: 'a', timestampNs: 1e9 },
    { pid: 11, ppid: 10, name: 'b', timestampNs: 2e9 },
    { type: 'exit', pid: 11, ppid: 10, exitCode: 1, timestampNs: 3e9 },
    { pid: 11, ppid: 10, name: 'c', timestampNs: 4e9 },
    { pid: 11, ppid: 10, name: 'd', timestampNs: 5e9 },
  ]) {
    const entry = event(over)
    report.tree.add(entry)
  }
  const outcome = { command: ['a'], exitCode: 0, signal: null, lost: 0 }
  const { processes, ...rest } = report.toObject(outcome) as unknown as {
    processes: { depth: number; execs: unknown[] }[]
  }
  t.deepEqual(
    processes.map(({ depth, execs }) => [depth, execs.length]),
    [
      [0, 1],
      [1, 1],
      [1, 2],
    ],
  )
  t.like(rest, { type: 'run', failed: 1, running: 2, unlisted: 0 })
  t.deepEqual(report.tree.runningPids(), [10, 11])
})

test('a report is sorted by lifetime, and shows long lives with their ancestors', (t) => {
  const report = new Report(new ProcessTree())
  const start = (pid: number, ppid: number, ms: number) => event({ pid, ppid, name: `p${pid}`, timestampNs: ms * 1e6 })
  const exit = (pid: number, ms: number) => event({ type: 'exit', pid, exitCode: 0, timestampNs: ms * 1e6 })
  for (const entry of [
    start(10, 1, 1000),
    start(11, 10, 1001),
    start(12, 10, 1002),
    // It outlives its parent.
    start(13, 11, 1003),
    exit(11, 1005),
    start(14, 12, 1010),
    exit(14, 1015),
    exit(12, 1022),
    exit(13, 1103),
    start(15, 10, 1150),
    start(16, 10, 1160),
    exit(10, 1200),
  ]) {
    report.tree.add(entry)
  }
  const outcome = { command: [], exitCode: 0, signal: null, lost: 0 }
  const shown = (sort: 'start' | 'life', minMs: number) => {
    const order = { sort, minDurationNs: minMs * 1e6 }
    const { processes, hidden } = report.toObject(outcome, order) as unknown as {
      hidden: number
      processes: { pid: number; depth: number; offsetNs: number }[]
    }
    const lines = report.lines(outcome, { columns: Infinity, colors: false }, order)
    t.deepEqual(
      lines.slice(1, 1 + processes.length).map((line) => Number(/ (\d+) {2}/.exec(line)![1])),
      processes.map(({ pid }) => pid),
    )
    t.is(lines.filter((line) => line.startsWith('not shown: ')).length, hidden > 0 ? 1 : 0)
    return [processes.map(({ pid }) => pid), hidden]
  }
  t.deepEqual(shown('start', 0), [[10, 11, 13, 12, 14, 15, 16], 0])
  t.deepEqual(shown('life', 0), [[10, 15, 16, 12, 14, 11, 13], 0])
  t.deepEqual(shown('start', 20), [[10, 11, 13, 12, 15, 16], 1])
  t.deepEqual(shown('life', 20.1), [[10, 15, 16, 11, 13], 2])
  t.deepEqual(shown('start', 1e9), [[10, 15, 16], 4])
  const lines = report.lines(outcome, { columns: Infinity, colors: false }, { sort: 'life', minDurationNs: 20e6 })
  t.is(lines[1], '0             0.000s  200.0ms      10  p10')
  t.is(lines[2], 'running       0.150s               15  ├─ p15')
  t.true(lines.includes('not shown: 1 process with a lifetime below 20.0ms'))
})

test('a deep tree is reported in any order', (t) => {
  const report = new Report(new ProcessTree())
  for (let pid = 2; pid < 50_000; pid++) {
    const entry = event({ pid, ppid: pid - 1, timestampNs: 1e9 + pid })
    report.tree.add(entry)
  }
  const outcome = { command: [], exitCode: 0, signal: null, lost: 0 }
  const { processes } = report.toObject(outcome, { sort: 'life', minDurationNs: 1 }) as unknown as {
    processes: unknown[]
  }
  t.is(processes.length, 49_998)
})

test('each column of a view has one head', (t) => {
  for (const name of ['lines-80', 'lines-200', 'tree-80', 'tree-200', 'summary-80', 'top-80', 'run-80']) {
    const lines = readFileSync(fileOf(`${name}.txt`), 'utf8').split('\n')
    for (const head of lines.filter((line) => /^(?:TIME|PROGRAM|PARENT|STATUS) /.test(line)))
      t.regex(
        head,
        /^[A-Z][A-Z\d/]*(?: +(?:EVENT|PID|PPID|USER|PARENT|PARENT\/RESULT|STATUS|START|DURATION|LIFETIME|COMMAND|EXECS?|EXEC\/S|EXITS|RUNNING|FAILED|P50|P99))+$/,
      )
  }
})

test('a histogram is accurate to three percent', (t) => {
  const histogram = new Histogram()
  t.is(histogram.quantile(0.5), null)
  for (let ms = 1; ms <= 1000; ms++) histogram.add(ms * 1e6)
  for (const [part, ms] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1000],
  ] as const) {
    t.true(Math.abs(histogram.quantile(part)! / (ms * 1e6) - 1) < 0.031, `${part}`)
  }
})

test('the summary counts forks as forks, and events of other types as others', (t) => {
  const summary = new Summary()
  const add = (type: EventType): void => summary.add(event({ type, pid: 7, name: 'x' }))
  const start = (): string => summary.headline(1).split(' in ')[0]!
  t.is(start(), '0 execs and 0 exits')
  add('fork')
  t.is(start(), '0 execs, 0 exits and 1 fork')
  for (const type of ['exec', 'exit', 'fork', 'uid'] as const) add(type)
  t.is(start(), '1 exec, 1 exit, 2 forks and 1 other')
  t.like(summary.toObject(1), { execs: 1, exits: 1, forks: 2, otherEvents: 1 })
})

test('the number of different names is bounded', (t) => {
  const summary = new Summary()
  for (let n = 0; n < 10_010; n++) summary.add(event({ pid: n + 1, name: `n${n}` }))
  const { programs } = summary.toObject(1) as { programs: { name: string; execs: number }[] }
  t.is(programs.length, 10_001)
  t.deepEqual([programs[0]!.name, programs[0]!.execs], ['(others)', 10])
})

test('a fork creates a new tree node, even if the exit of the previous process was not reported', (t) => {
  const tree = new Tree()
  const lines = [
    { type: 'fork', pid: 50, ppid: 1, parentName: 'init' },
    { pid: 50, ppid: 1, name: 'sshd' },
    { type: 'fork', pid: 100, ppid: 50 },
    { pid: 100, ppid: 50, name: 'first' },
    { pid: 60, ppid: 1, name: 'cron' },
    { type: 'fork', pid: 100, ppid: 60 },
    { pid: 100, ppid: 60, name: 'second' },
  ].flatMap((over) => tree.add(event(over), { columns: Infinity, colors: false }))
  const shown = lines.map((text) => text.split(/\s+/).slice(-2).join(' '))
  t.deepEqual(shown, ['1 init', '50 sshd', '100 first', '60 cron', '100 second'])
  const indents = lines.map((text) => /\S+$/.exec(text)!.index)
  t.deepEqual(
    indents.map((at) => at - indents[0]!),
    [0, 2, 4, 2, 4],
  )
})

test('the tree keeps a bounded number of nodes with short labels', (t) => {
  const tree = new Tree()
  const layout = { columns: Infinity, colors: false }
  const long = 'x'.repeat(100_000)
  tree.add(event({ pid: 2, ppid: 1, parentName: long, argv: ['a', long] }), layout)
  tree.add(event({ pid: 3, ppid: 1, name: 'b' }), layout)
  const [context, child] = tree.add(event({ pid: 4, ppid: 2, name: 'c' }), layout)
  t.true(context!.length < 1100)
  t.true(child!.endsWith('    c'))
  // No exit is reported.
  for (let pid = 10; pid < 40_010; pid++) tree.add(event({ pid, ppid: 5, name: 'd' }), layout)
  const forgotten = tree.add(event({ pid: 4, name: 'e' }), layout)
  t.is(forgotten.length, 1)
  t.regex(forgotten[0]!, / 4 {19}e$/)
  const known = tree.add(event({ pid: 40_009, name: 'f' }), layout)
  t.regex(known.at(-1)!, / 40009 {21}f$/)
})

test('the number of top programs is bounded for any events', (t) => {
  const programs = (top: Top) =>
    (top.toObject(30e9) as { programs: { name: string; execs: number; running: number | null }[] }).programs
  for (const followsExits of [true, false]) {
    const top = new Top(followsExits)
    for (let n = 0; n < 100; n++) top.add(event({ pid: 300_000, name: 'busy' }))
    top.add(event({ pid: 200_000, name: 'n0' }))
    for (let n = 1; n < 100_000; n++) top.add(event({ pid: n, name: `n${n}`, timestampNs: 1e9 + n * 1e5 }))
    top.add(event({ pid: 1, name: 'n0', timestampNs: 20e9 }))
    top.add(event({ pid: 300_000, name: 'busy', timestampNs: 20e9 }))
    const all = programs(top)
    t.is(all.length, 2000)
    // Process 200,000 was evicted, because it is not among the latest ones.
    t.is(all.find(({ name }) => name === 'n0')!.execs, 1)
    t.is(all.find(({ name }) => name === 'busy')!.running, followsExits ? 1 : null)
    t.like(top.toObject(30e9), { execs: 100_102 })
    const [title, , , row] = top.frame(30e9, { columns: Infinity, colors: false, rows: 9 })
    if (followsExits) t.true(Number(/(\d+) running/.exec(title!)![1]) <= 65_536)
    else t.notRegex(title!, /running/)
    if (!followsExits) t.regex(row!, /^\S+ +[\d.]+ +\d+ +- /)
  }
  const top = new Top()
  top.add(event({ name: 'x'.repeat(100_000), argv: ['y'.repeat(100_000)] }))
  t.true(programs(top)[0]!.name.length < 300)
  t.true(top.frame(1e9, { columns: Infinity, colors: false, rows: 9 }).at(-1)!.length < 1200)
})

test('a report keeps a bounded number of execs and counts the omitted ones', (t) => {
  const outcome = { command: [], exitCode: 0, signal: null, lost: 0 }
  const layout = { columns: Infinity, colors: false }
  const exec = (report: Report, pid: number, argv: string[]) => {
    const entry = event({ pid, name: 'x', argv })
    report.tree.add(entry)
  }
  type ReportJson = {
    omittedExecs: number
    omittedArguments: number
    processes: { omittedExecs?: number; execs: { argv: string[] | null }[] }[]
  }

  const looping = new Report(new ProcessTree())
  for (let n = 0; n < 300_000; n++) exec(looping, 5, [`n${n}`])
  const reported = looping.toObject(outcome) as unknown as ReportJson
  const { execs, omittedExecs } = reported.processes[0]!
  t.deepEqual([execs.length, omittedExecs, reported.omittedExecs], [100, 299_900, 299_900])
  t.deepEqual([execs[0]!.argv, execs[98]!.argv, execs[99]!.argv], [['n0'], ['n98'], ['n299999']])
  const lines = looping.lines(outcome, layout)
  t.true(lines[1]!.endsWith(' n97 → n98 → (299900 more) → n299999'))
  t.is(lines.at(-1), 'left out: 299900 execs')

  // This limit applies to all processes together.
  const many = new Report(new ProcessTree({ execs: 4 }))
  for (const pid of [1, 2, 3]) for (const n of [1, 2, 3]) exec(many, pid, [`n${n}`])
  const { processes } = many.toObject(outcome) as unknown as ReportJson
  t.deepEqual(
    processes.map((one) => [one.execs.map(({ argv }) => argv![0]), one.omittedExecs ?? 0]),
    [
      [['n1', 'n2', 'n3'], 0],
      [['n3'], 2],
      [['n3'], 2],
    ],
  )

  const wordy = new Report(new ProcessTree({ characters: 1000 }))
  for (const pid of [1, 2, 3]) exec(wordy, pid, ['x'.repeat(400)])
  const short = wordy.toObject(outcome) as unknown as ReportJson
  t.is(short.omittedArguments, 1)
  t.deepEqual(
    short.processes.map(({ execs: [one] }) => one!.argv?.[0]!.length),
    [400, 400, undefined],
  )
  t.is(wordy.lines(outcome, layout).at(-1), 'left out: the arguments of 1 exec')

  const crowd = new Report(new ProcessTree({ processes: 1, characters: 1000 }))
  for (const pid of [1, 2]) exec(crowd, pid, ['x'.repeat(800)])
  t.like(crowd.toObject(outcome), { unlisted: 1, omittedArguments: 0 })
})

test('process names are shortened and bounded in number', (t) => {
  const long = 'x'.repeat(100_000)
  const summary = new Summary()
  summary.add(event({ name: long, parentName: long }))
  const { programs, parents } = summary.toObject(1) as { [key: string]: { name: string }[] }
  t.true([...programs!, ...parents!].every(({ name }) => name.length < 300))

  const names = new ProcessNames(true, '/nowhere')
  const addProcess = (pid: number, name: string) =>
    names.observe({ type: 'exec', pid, timestampNs: 1, timeMs: 1, origin: 'kernel', process: { name, ppid: 1 } })
  addProcess(1, 'first')
  t.is(names.known(1), 'first')
  addProcess(2, long)
  t.true(names.known(2)!.length < 300)
  // A filter may drop every exit.
  for (let pid = 3; pid < 70_000; pid++) addProcess(pid, 'x')
  t.deepEqual([names.known(1), names.known(69_999)], [null, 'x'])
})

test('a reused pid is a descendant only if its new parent is one', (t) => {
  const passes = entryFilter({ ancestor: [10] })
  const reported = [
    { type: 'fork', pid: 11, ppid: 10 },
    { pid: 11, ppid: 10 },
    // Its exit was not recorded.
    { type: 'fork', pid: 11, ppid: 20 },
    { pid: 11, ppid: 20 },
    { type: 'fork', pid: 12, ppid: 11 },
  ].map((over) => passes(event(over)))
  t.deepEqual(reported, [true, true, false, false, false])
})

test('a recording passes through the filters of a live watch', (t) => {
  const passing = (...args: string[]) => {
    const request = parse(args, new Users('alice:x:1000:1000::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n'))
    const passes = entryFilter((request as { filter: Parameters<typeof entryFilter>[0] }).filter)
    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => readEntry(line)!)
    return events.filter((entry) => passes(entry)).flatMap((entry) => ('pid' in entry ? [entry] : []))
  }
  const pids = (...args: string[]) => [...new Set(passing(...args).map(({ pid }) => pid))].toSorted((a, b) => a - b)
  t.deepEqual(pids('--name', 'gamed'), [2000])
  t.deepEqual(pids('--name', '/^GAME/i'), [2000])
  t.deepEqual(pids('--name', 'game'), [])
  t.deepEqual(pids('--exe', '/bin/echo'), [4194303])
  t.deepEqual(pids('--cmd', '/kill -9/'), [1005])
  t.deepEqual(pids('--user', 'www-data'), [4194303])
  t.deepEqual(pids('--user', '70001'), [2000])
  t.deepEqual(pids('--container', '3f3f'), [4194303])
  t.deepEqual(pids('--container', '/f3$/'), [])
  t.deepEqual(pids('--cgroup', '/docker/'), [4194303])
  t.deepEqual(pids('--descendants-of', '1007'), [1009, 1010])
  t.deepEqual(pids('--descendants-of', '1006', '--user', 'alice'), [1008])
  t.deepEqual(pids('--pid', '1007'), [1007])
  t.deepEqual(pids('--pid', '1007', '--pid', '2000', '--user', 'alice'), [1007])
  t.deepEqual(pids('--pid', '1007', '--descendants-of', '1007'), [1007, 1009, 1010])
  t.deepEqual(pids('--descendants-of', '1006', '--descendants-of', '1007'), [1008, 1009, 1010])
  t.deepEqual(pids('--name', 'gamed', '--name', '/^ec/'), [2000, 4194303])
  t.deepEqual(pids('--name', 'gamed', '--name', 'echo', '--user', 'www-data', '--user', 'alice'), [4194303])
  t.deepEqual(pids('--name', 'gamed', '--user', 'www-data'), [])
  t.deepEqual(pids('--container', 'no', '--container', '/3$|f$/'), [4194303])
  t.is(passing().length, text.trimEnd().split('\n').length - 2)
})

test('--replay shows a file or standard input in every view', async (t) => {
  const expected = (name: string) => readFileSync(fileOf(name), 'utf8')
  const all = ['--events', 'all']
  const cases: [string[], string][] = [
    [[...all, '--json'], text],
    [['--events', 'exec,exit,comm,uid,gid,sid,ptrace,coredump'], expected('lines-pipe.txt')],
    [[...all, '--json', '--count', '3'], text.split('\n').slice(0, 3).join('\n') + '\n'],
    [[...all, '--json', '--name', 'sh', '--duration', '0.002'], text.split('\n').slice(1, 3).join('\n') + '\n'],
  ]
  for (const [args, output] of cases) {
    const it = command(t, ['--replay', recording, ...args], { env: { TZ: 'UTC' } })
    t.deepEqual(await it.ended, [0, null])
    t.is(it.stdout, output, args.join(' '))
  }
  const piped = command(t, ['--replay', '-', '--summary', '--json'])
  piped.child.stdin!.end(text)
  t.deepEqual(await piped.ended, [0, null])
  t.is(piped.stderr, '')
  t.like(JSON.parse(piped.stdout), { type: 'summary', execs: 14, exits: 14, failed: 6, lost: 17 })
  const top = command(t, ['--replay', recording, '--top'], { env: { TZ: 'UTC' } })
  t.deepEqual(await top.ended, [0, null])
  t.regex(top.stdout, /^03:16:40 .* 17 lost\nPolling .*\n\nPROGRAM .*\ngone /)
  // Without exits, the number of running processes is unknown.
  const execs = command(t, ['--replay', recording, '--top', '--json', '--events', 'exec'])
  t.deepEqual(await execs.ended, [0, null])
  t.true(JSON.parse(execs.stdout).programs.every(({ running }: { running: unknown }) => running === null))
})

test('--redact and --no-args apply to a recording', async (t) => {
  const shown = async (option: string) => {
    const it = command(t, ['--replay', recording, '--json', option])
    await it.ended
    return it.stdout
  }
  const redacted = await shown('--redact')
  t.true(
    redacted.includes(
      '"argv":["env","SECRET_TOKEN=[redacted]","true","--password","[redacted]","http://[redacted]@h/"]',
    ),
  )
  t.false(redacted.includes('geheim'))
  t.false((await shown('--no-args')).includes('"argv":['))
})

test('reading an endless recording stops at --count or a signal', async (t) => {
  for (const [args, signal] of [[['--count', '2'], null] as const, [[], 'SIGINT'] as const]) {
    const it = command(t, ['--replay', '-', '--json', ...args])
    // The writer of the recording never ends.
    it.child.stdin!.on('error', () => {}).write(readFileSync(recording))
    await until('it has printed a line', () => it.stdout !== '')
    if (signal !== null) it.child.kill(signal)
    t.deepEqual(await it.ended, [0, null])
    if (signal === null) t.is(it.stdout.split('\n').length - 1, 2)
  }
})

test('a signal name in a recording cannot control the terminal', async (t) => {
  const it = command(t, ['--replay', '-'])
  it.child.stdin!.end(jsonLine(event({ type: 'exit', signal: '\x1b[2J' })))
  t.deepEqual(await it.ended, [0, null])
  t.true(it.stdout.includes('\\x1b[2J'))
  t.false(it.stdout.includes('\x1b'))
})

/** C0 and C1 controls, DEL, direction marks, invisible characters, line separators, and lone surrogates. */
const HOSTILE = [
  '\x1b[2J',
  'a\nb\r\tc\0',
  '\u009b31mRED',
  '\u009d0;owned\u009c',
  '\x7f\x85',
  '\u202egpj.exe\u2066',
  '\u200b\u200f\ufeff\u00ad\u061c',
  '\u2028\u2029',
  '\u{e0041}\u{1d173}',
  '\ud800x\udc00',
  '"\\u009b\\',
]
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Returns entries of each type with `text` in every field that another process controls. */
function hostileEntries(text: string): Entry[] {
  const texts = {
    name: text,
    parentName: text,
    user: text,
    exe: text,
    argv: [text, text],
    cgroup: text,
    containerId: text,
  }
  const moment = { time: '2026-01-02T03:04:05.000Z', timestampNs: 2e9 }
  return [
    event({ type: 'fork', pid: 6, ppid: 5, ...texts, name: null }),
    event({ ...texts, pid: 6, ppid: 5 }),
    event({ ...texts, pid: 7, ppid: 6, argv: null }),
    event({ ...texts, type: 'comm', pid: 7, tid: 8, comm: text }),
    event({ ...texts, type: 'ptrace', pid: 7, tracerPid: 6 }),
    event({ ...texts, type: 'exit', pid: 7, ppid: 6, exitCode: null, signal: text, durationNs: 1, timestampNs: 3e9 }),
    event({ ...texts, type: 'exit', pid: 9, ppid: 6, name: null, argv: null, timestampNs: 3e9 }),
    { type: 'note', ...moment, note: 'restart', code: text, message: text },
  ]
}

test('no view prints text of another process unescaped', (t) => {
  for (const text of HOSTILE) {
    const entries = hostileEntries(text)
    for (const columns of [40, 80, 200, Infinity]) {
      const layout = { columns, colors: false }
      const [tree, lines, top, report, summary] = [
        new Tree(),
        new Lines(),
        new Top(),
        new Report(new ProcessTree()),
        new Summary(),
      ]
      const shown: string[] = []
      for (const entry of entries) {
        shown.push(...tree.add(entry, layout), ...lines.add(entry, layout), jsonLine(entry))
        t.deepEqual(JSON.parse(shown.at(-1)!), entry)
        top.add(entry)
        summary.add(entry)
        report.tree.add(entry)
      }
      const outcome = { command: [text], exitCode: null, signal: text, lost: 0 }
      const objects = [top.toObject(3e9), summary.toObject(1), report.toObject(outcome)]
      for (const object of objects) {
        shown.push(jsonLine(object))
        t.deepEqual(JSON.parse(shown.at(-1)!), JSON.parse(JSON.stringify(object)))
      }
      shown.push(...top.frame(3e9, { ...layout, rows: 99 }), ...report.lines(outcome, layout))
      shown.push(...summary.toLines(1, 9, layout))
      for (const line of shown) t.notRegex(line, UNPRINTABLE, JSON.stringify(line))
    }
  }
})

test('no view prints text of a recording unescaped', async (t) => {
  const lines = HOSTILE.flatMap((text) => hostileEntries(text)).map((entry) => JSON.stringify(entry))
  for (const view of [
    [],
    ['--tree'],
    ['--top'],
    ['--summary'],
    ['--json'],
    ['--top', '--json'],
    ['--summary', '--json'],
  ]) {
    const it = command(t, ['--replay', '-', '--events', 'all', ...view])
    it.child.stdin!.end(lines.join('\n'))
    t.deepEqual(await it.ended, [0, null], view.join(' '))
    for (const line of [...it.stdout.split('\n'), ...it.stderr.split('\n')])
      t.notRegex(line, UNPRINTABLE, view.join(' '))
    t.true(it.stdout.includes('RED'), view.join(' '))
  }
})

test('a view that cannot be written is a failure', async (t) => {
  for (const view of ['--json', '--summary', '--top']) {
    const full = openSync('/dev/full', 'w')
    const it = command(t, ['--replay', recording, view], { stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    t.deepEqual(await it.ended, [1, null], view)
    t.regex(it.stderr, /^proc-events: ENOSPC: /m)
  }
})

test('an invalid recording is rejected with its file and line', async (t) => {
  const moment = '"time":"2026-01-01T00:00:00Z","timestampNs":1'
  const cases: [string, string, RegExp][] = [
    ['-', '{"type":"summary"}\n\nnot JSON', /^proc-events: -:3: .*JSON/],
    ['-', '{"type":"exec"}', /^proc-events: -:1: "time" is missing or not a date$/],
    [
      '-',
      `${jsonLine(event({})).replace('"pid":5', '"pid":"5"')}`,
      /^proc-events: -:1: "pid" is missing or not a process id$/,
    ],
    [
      '-',
      `${jsonLine(event({})).replace('"argv":null', '"argv":[5]')}`,
      /^proc-events: -:1: "argv" is not an array of strings/,
    ],
    [
      '-',
      `${jsonLine(event({})).replace(/"timestampNs":\d+/, '"timestampNs":1e400')}`,
      /^proc-events: -:1: "timestampNs" is missing or not a number$/,
    ],
    [
      '-',
      `${jsonLine(event({})).replace('"pid":5', '"pid":4194305')}`,
      /^proc-events: -:1: "pid" is missing or not a process id$/,
    ],
    ['-', `{"type":"loss",${moment}}`, /^proc-events: -:1: "lost" is missing or not an integer$/],
    [
      '-',
      `{"type":"loss",${moment},"lost":"1","recoveredExecs":0,"recoveredExits":0}`,
      /^proc-events: -:1: "lost" is missing or not an integer$/,
    ],
    ['-', `{"type":"note",${moment},"note":"polling"}`, /^proc-events: -:1: "message" is missing$/],
    ['-', '\x1b[2J', /^proc-events: -:1: \P{Cc}*\\x1b\P{Cc}*$/u],
    ['/nowhere', '', /^proc-events: ENOENT/],
    ['/', '', /^proc-events: EISDIR/],
  ]
  for (const [path, input, message] of cases) {
    const it = command(t, ['--replay', path])
    it.child.stdin!.on('error', () => {}).end(input)
    t.deepEqual(await it.ended, [1, null])
    t.regex(it.stderr.trimEnd().split('\n')[0]!, message)
  }
})
