/** The pictures of `run --format`: traces that nest, a page that loads nothing, stacks, Markdown. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import vm from 'node:vm'
import test from 'ava'
import * as fc from 'fast-check'
import type { RunOptions } from '../../dist/src/cli/flags/args.js'
import { foldedStacks } from '../../dist/src/cli/pictures/folded.js'
import { htmlPage } from '../../dist/src/cli/pictures/html.js'
import { markdown } from '../../dist/src/cli/pictures/markdown.js'
import { formatBytes } from '../../dist/src/cli/output/format.js'
import { chromeTraceOf } from '../../dist/src/pictures/chrome-trace.js'
import { lanesOf } from '../../dist/src/pictures/lanes.js'
import { ProcessTree, treeOf } from '../../dist/src/pictures/process-tree.js'
import { runningCounts } from '../../dist/src/pictures/running-counts.js'
import { type Timeline, type TimelineOptions, timelineOf } from '../../dist/src/pictures/timeline.js'
import type { Entry } from '../../dist/src/recording/entry.js'
import { toEntry } from '../../dist/src/recording/ndjson.js'
import { probe } from '../../dist/index.js'
import { openPage } from '../support/browser.ts'
import { command } from '../support/cli-harness.ts'
import { temporaryFolder, until } from '../support/helpers.ts'
import { has } from '../support/load.ts'
import { importIntoSpeedscope } from '../support/speedscope.ts'
import { checkTrace } from '../support/trace-check.ts'

const MS = 1e6

/** Returns an entry at a time in milliseconds. */
function entry(type: string, ms: number, pid: number, over: object = {}): Entry {
  const time = new Date(1.7e12 + ms).toISOString()
  return toEntry({ type, time, timestampNs: Math.round(ms * MS), pid, ...over })!
}

const fork = (ms: number, pid: number, ppid: number): Entry => entry('fork', ms, pid, { ppid })
const exec = (ms: number, pid: number, name: string, over: object = {}): Entry =>
  entry('exec', ms, pid, { name, argv: [name, '-x'], ...over })
const exit = (ms: number, pid: number, over: object = {}): Entry => entry('exit', ms, pid, { exitCode: 0, ...over })

const outcome = { command: ['make', '-j2'], exitCode: 2, signal: null, lost: 0 }

function timeline(entries: readonly Entry[], options: TimelineOptions = {}): Timeline {
  return timelineOf(treeOf(entries), outcome, options)
}

function slicesOf(entries: readonly Entry[]): any[] {
  return chromeTraceOf(timeline(entries)).traceEvents.filter(({ ph }) => ph === 'X')
}

/** make runs two compilers at once. One of them fails, and one replaces itself. */
const build: readonly Entry[] = [
  fork(0, 10, 1),
  exec(1, 10, 'make'),
  fork(5, 11, 10),
  exec(6, 11, 'sh'),
  fork(7, 12, 10),
  exec(8, 11, 'cc'),
  exec(9, 12, 'cc'),
  exit(50, 12, { exitCode: 1 }),
  exit(60, 11),
  fork(70, 13, 10),
  exit(80, 10, { exitCode: 2 }),
  exit(90, 13),
]

/** Random processes: with and without forks and execs, with reused pids, with children that outlive their parents. */
const randomEntries = fc
  .array(
    fc.record({
      kind: fc.constantFrom('fork', 'fork', 'exec', 'exec', 'exit'),
      pid: fc.integer({ min: 2, max: 12 }),
      ppid: fc.integer({ min: 1, max: 12 }),
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5000 }), fc.integer({ min: -300, max: 0 })),
      startTime: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
    { maxLength: 120 },
  )
  .map((steps) => {
    let ns = 1e12
    return steps.map(({ kind, pid, ppid, gap, startTime }) => {
      ns += gap
      const over = { timestampNs: ns, ppid, startTime, name: `p${pid}`, durationNs: gap, durationSince: 'start' }
      return entry(kind, 0, pid, over)
    })
  })

test('slices of a lane nest strictly, and each arrow has two ends', (t) => {
  const holds = (entries: Entry[], most: number): void => {
    const whole = timeline(entries)
    const { traceEvents, otherData } = chromeTraceOf(whole)
    const { crossing, unpaired, slices, lanes } = checkTrace(traceEvents)
    if (crossing + unpaired > 0 || lanes > 200) throw new Error(`${crossing} ${unpaired} ${lanes}`)
    if (slices + Number(otherData['notDrawn']) !== whole.tree.processes) throw new Error(`${slices} slices`)
    // With few lanes some processes have no place. The others nest all the same.
    const { placed, unplaced, heights } = lanesOf(whole.bars, most)
    if (heights.length > most || placed.length + unplaced !== whole.bars.length) throw new Error('lanes')
    for (const { bar, lane, level } of placed) {
      const around = placed.filter((one) => one.lane === lane && one.level < level && one.bar.endNs > bar.startNs)
      for (const other of around)
        if (other.bar.startNs <= bar.startNs && other.bar.endNs < bar.endNs) throw new Error('a bar crosses another')
    }
  }
  t.notThrows(() => fc.assert(fc.property(randomEntries, fc.integer({ min: 1, max: 4 }), holds), { numRuns: 1000 }))
})

test('every picture of random processes is complete and bounded', (t) => {
  const holds = (entries: Entry[], most: number): void => {
    const some = timeline(entries, { most })
    const { bars, hidden, tree } = some
    if (bars.length + hidden !== tree.processes) throw new Error('a process is not counted')
    for (const { parent, startNs, endNs, node } of bars) {
      if (endNs < startNs) throw new Error('a bar ends before it starts')
      if (node.parent !== null && parent === null) throw new Error('an ancestor is missing')
    }
    for (const text of [htmlPage(some), markdown(some), foldedStacks(some, 'time')])
      if (/NaN|undefined|Infinity\b/.test(text.replace(/<script>[^]*/, ''))) throw new Error(text)
  }
  t.notThrows(() => fc.assert(fc.property(randomEntries, fc.integer({ min: 1, max: 30 }), holds), { numRuns: 200 }))
})

test('a child is on the lane of its parent only if it ends within it', (t) => {
  const slices = slicesOf(build)
  const of = (pid: number) => slices.find(({ args }) => args?.pid === pid)
  t.deepEqual(
    [10, 11, 12, 13].map((pid) => [of(pid).tid, of(pid).name, of(pid).args.ended]),
    [
      [1, 'make', 'exit 2'],
      [1, 'sh → cc', 'exit 0'],
      [2, 'cc', 'exit 1'],
      // It outlives its parent.
      [2, '(fork of make)', 'exit 0'],
    ],
  )
  t.like(of(12), { cat: 'process,failed', ts: 7000, dur: 43_000, args: { command: 'cc -x', exitCode: 1 } })
  const programs = slices.filter(({ cat }) => cat === 'program').map(({ name, ts, dur, tid }) => [name, ts, dur, tid])
  t.deepEqual(programs, [
    ['fork', 5000, 1000, 1],
    ['sh', 6000, 2000, 1],
    ['cc', 8000, 52_000, 1],
  ])
  const { traceEvents } = chromeTraceOf(timeline(build))
  const arrows = traceEvents.filter(({ ph }) => ph === 's' || ph === 'f')
  t.is(arrows.length, 4)
  // An arrow begins directly behind the slice of its parent, so that viewers attach it to that slice.
  for (const { id } of arrows.filter(({ ph }) => ph === 's')) {
    const before = traceEvents.slice(
      0,
      traceEvents.findIndex((one) => one.ph === 's' && one.id === id),
    )
    t.is(before.findLast(({ ph }) => ph === 'X')!.name, 'make')
  }
})

test('programs of one process do not overlap if their times are out of order', (t) => {
  const entries = [fork(0, 10, 1), exec(2, 10, 'a'), exec(1.5, 10, 'b'), exit(4, 10)]
  const programs = slicesOf(entries).filter(({ cat }) => cat === 'program')
  t.deepEqual(
    programs.map(({ name, ts, dur }) => [name, ts, dur]),
    [
      ['fork', 0, 2000],
      ['b', 2000, 2000],
    ],
  )
})

test('a child of a program that its parent has replaced leaves the lane', (t) => {
  const slices = slicesOf([
    fork(0, 10, 1),
    exec(1, 10, 'a'),
    fork(2, 11, 10),
    exec(5, 10, 'b'),
    exit(8, 11),
    exit(9, 10),
  ])
  t.deepEqual(
    slices.filter(({ args }) => args).map(({ args, tid }) => [args.pid, tid]),
    [
      [10, 1],
      [11, 2],
    ],
  )
})

test('a reused pid is another process, with and without a fork', (t) => {
  const known = (name: string, startTime: number) => ({ name, startTime, ppid: 1 })
  const tree = treeOf([
    exec(1, 10, 'a', known('a', 100)),
    exec(2, 10, 'b', known('b', 100)),
    exec(30, 10, 'c', known('c', 103)),
    exit(40, 10),
    fork(50, 10, 1),
    fork(60, 10, 1),
  ])
  t.deepEqual(
    tree.roots.map(({ execs, end }) => [execs.length, end === null ? null : end.ns / MS, end?.exitCode]),
    [
      [2, 30, null],
      [1, 40, 0],
      [0, 60, null],
      [0, null, undefined],
    ],
  )
  t.is(tree.running, 1)
})

test('a process that ran before the recording begins where its exit says', (t) => {
  const tree = treeOf([
    exit(100, 10, { durationNs: 30 * MS, durationSince: 'start' }),
    exit(101, 11, { durationNs: null, durationSince: null }),
  ])
  t.deepEqual(
    tree.roots.map(({ beganNs, forked, end }) => [beganNs / MS, forked, end!.ns / MS]),
    [
      [70, true, 100],
      [101, false, 101],
    ],
  )
})

test('the totals of programs include processes that are not drawn', (t) => {
  const some = timeline(build, { most: 1 })
  t.is(some.bars.length, 1)
  t.true(markdown(some).includes('| cc | 2 | 1 | 98.0ms | 55.0ms |'))
  t.true(markdown(some).includes('| make | 1 | 1 | 80.0ms | 80.0ms |'))
})

test('the failed and the longest processes are drawn, and the others are counted', (t) => {
  const entries = [fork(0, 1000, 1), exec(0, 1000, 'root')]
  for (let n = 0; n < 500; n++)
    entries.push(fork(n, n + 2000, 1000), exit(n + (n % 10), n + 2000, { exitCode: n === 70 ? 1 : 0 }))
  entries.push(exit(2000, 1000))
  const { bars, hidden } = timeline(entries, { most: 52 })
  t.is(bars.length + hidden, 501)
  t.true(bars.length >= 52 && bars.length < 60)
  t.true(bars.some(({ node }) => node.pid === 2070))
  t.true(bars.every(({ node, startNs, endNs }) => [1000, 2070].includes(node.pid) || endNs - startNs === 9 * MS))
  const { otherData } = chromeTraceOf(timeline(entries, { most: 52 }))
  t.is(otherData['notDrawn'], hidden)
  t.true(htmlPage(timeline(entries, { most: 52 })).includes(`${hidden} not drawn`))
  t.true(markdown(timeline(entries, { most: 52 })).includes(`${hidden} not drawn`))
  // A shortest lifetime keeps the ancestors.
  const long = timeline([...entries.slice(0, 2), fork(1, 5, 1000), fork(2, 6, 5), exit(3, 5), exit(90, 6)], {
    minDurationNs: 50 * MS,
  })
  t.deepEqual(
    long.bars.map(({ node }) => node.pid).sort((a, b) => a - b),
    [5, 6, 1000],
  )
})

test('thousands of failures do not displace the longest processes', (t) => {
  const entries: Entry[] = []
  for (let n = 0; n < 100; n++) entries.push(fork(n, n + 10, 1), exit(n + 1, n + 10, { exitCode: 1 }))
  for (let n = 0; n < 100; n++) entries.push(fork(n + 200, n + 200, 1), exit(n + 700, n + 200))
  const { bars, tree } = timeline(entries, { most: 20 })
  t.deepEqual([tree.failed, bars.filter(({ node }) => node.end!.exitCode === 1).length, bars.length], [100, 10, 20])
})

test('processes that are only counted are mentioned', (t) => {
  const tree = new ProcessTree({ processes: 3 })
  for (const one of build) tree.add(one)
  const some = timelineOf(tree, outcome)
  for (const text of [markdown(some), htmlPage(some)])
    t.true(
      text.includes('4 processes · 2 failed') && text.includes('of those after the first 3, only the number is known'),
    )
})

test('more parallel processes than lanes are counted as not drawn', (t) => {
  const entries: Entry[] = []
  for (let n = 0; n < 300; n++) entries.push(fork(n, n + 10, 1))
  for (let n = 0; n < 300; n++) entries.push(exit(1000 + n, n + 10))
  const { traceEvents, otherData } = chromeTraceOf(timeline(entries))
  t.is(otherData['notDrawn'], 100)
  t.like(checkTrace(traceEvents), { crossing: 0, lanes: 200, slices: 200 })
  t.true(htmlPage(timeline(entries)).includes('no lane was free for 100 processes: see the tree'))
})

test('the counter of running processes keeps its peak', (t) => {
  const entries: Entry[] = []
  for (let n = 0; n < 5000; n++) entries.push(fork(n, n + 10, 1), exit(n + (n === 2500 ? 1000 : 1.5), n + 10))
  entries.sort((a, b) => a.timestampNs - b.timestampNs)
  const { bars } = timeline(entries)
  const all = runningCounts(bars, Infinity)
  const few = runningCounts(bars, 100)
  t.true(few.length <= 100)
  const peak = (counts: typeof all) => Math.max(...counts.map(({ running }) => running))
  t.is(peak(few), peak(all))
  t.is(few.at(-1)!.running, 0)
  t.deepEqual(runningCounts([], 100), [])
})

test('losses are drawn at their moments', (t) => {
  const loss = { cause: 'socket', lost: 7, recoveredExecs: 1, recoveredExits: 0 }
  const entries = [...build.slice(0, 8), entry('loss', 55, 0, loss), ...build.slice(8)]
  const { traceEvents } = chromeTraceOf(timeline(entries))
  t.like(
    traceEvents.find(({ ph }) => ph === 'i'),
    { name: '7 events lost', ts: 55_000, s: 'g', cat: 'loss' },
  )
  t.regex(htmlPage(timeline(entries)), /1 loss: see the red lines/)
})

test('the own times of folded stacks add up to the lifetime of the root', (t) => {
  const text = foldedStacks(timeline(build), 'time')
  t.deepEqual(text.split('\n').filter(Boolean), [
    'make 15000',
    'make;sh → cc 55000',
    'make;cc 43000',
    'make;(fork of make) 20000',
  ])
  const sequential = build.filter(({ timestampNs }) => timestampNs < 7 * MS || timestampNs >= 60 * MS).slice(0, -3)
  const sum = foldedStacks(timeline([...sequential, exit(80, 10)]), 'time')
    .split('\n')
    .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  t.is(sum, 80_000)
  // A separator in a name is none.
  t.is(foldedStacks(timeline([exec(0, 10, 'a;b\nc'), exit(5, 10)]), 'time'), 'a:b\\x0ac 5000\n')
})

const usage = {
  cpuNs: 30 * MS,
  maxRssBytes: 300 * 2 ** 20,
  readBytes: null,
  writeBytes: 5,
  minorFaults: null,
  majorFaults: null,
  voluntarySwitches: 1,
  involuntarySwitches: null,
  cpuDelayNs: null,
}
const costly = build.map((one) => (one.type === 'exit' && one.pid === 12 ? { ...one, usage } : one))

test('the cost of processes is shown where it is known', (t) => {
  t.is(foldedStacks(timeline(costly), 'cpu'), 'make;cc 30000\n')
  t.throws(() => foldedStacks(timeline(build), 'cpu'), { message: /no CPU time is known/ })
  t.like(slicesOf(costly).find(({ args }) => args?.pid === 12).args, { cpuNs: 30 * MS, writeBytes: 5 })
  t.false('readBytes' in slicesOf(costly).find(({ args }) => args?.pid === 12).args)
  t.true(markdown(timeline(costly)).includes('| cc | 12 | 0.007s | 43.0ms | 30.0ms | 300MiB | exit 1 |'))
  t.false(markdown(timeline(build)).includes('CPU'))
  t.true(htmlPage(timeline(costly)).includes('<td class="number">300MiB</td>'))
  t.regex(htmlPage(timeline(build)), /CPU time and memory are not known/)
  t.deepEqual([0, 1023, 1024, 99.9 * 1024, 123456789, 2 ** 50, null].map(formatBytes), [
    '0B',
    '1023B',
    '1.0KiB',
    '99.9KiB',
    '118MiB',
    '1024TiB',
    '-',
  ])
})

/** Texts that could end an element, a string, a cell, a code span, or a line. */
const HOSTILE = [
  '</script><script>alert(1)</script>',
  '<!--<script>',
  '"><img src=x onerror=alert(1)>',
  "' onfocus='alert(1)",
  '@script@ @data@ $& $1',
  '`code` | cell | `` ```',
  'line\nbreak\r\n# title',
  '\u2028\u2029\u202e\u009b31m\x1b[2J\ud800',
  '[link](javascript:alert(1)) ![x](http://h/)',
  '%% click a call b() :crit, 0, 5; section x',
]

function hostile(text: string): Entry[] {
  const texts = { name: text, exe: text, argv: [text, text], cwd: text, user: text, parentName: text, ppid: 10 }
  return [
    exec(0, 10, text, texts),
    fork(1, 11, 10),
    exec(2, 11, text, texts),
    exec(3, 11, 'x', texts),
    exit(5, 11, { signal: text, exitCode: null }),
    exit(9, 10, { exitCode: 1 }),
  ]
}

test('the page has only its own elements and scripts, whatever a process is called', (t) => {
  const shape = (html: string) => html.replace(/>[^<]*/g, '>').replace(/data-bar="\d+"/g, '')
  // The script is the same, and may contain any text.
  const body = (html: string) => html.slice(0, html.indexOf('<script id="data"'))
  const page = (text: string) =>
    htmlPage(timelineOf(treeOf(hostile(text)), { command: [text], exitCode: 1, signal: null, lost: 0 }))
  const expected = shape(body(page('plain')))
  for (const text of HOSTILE) {
    const html = page(text)
    t.is(shape(body(html)), expected, text)
    t.is(html.match(/<script/g)!.length, 2, text)
    t.is(html.match(/<\/script>/g)!.length, 2, text)
    const data = /<script id="data" type="application\/json">([^<]*)<\/script>/.exec(html)![1]!
    t.is(JSON.parse(data).bars.length, 2)
    t.notRegex(html.replaceAll('\n', ''), /[\p{Cc}\u2028\u2029\u202e]/u)
  }
})

test('the page loads nothing, and its policy allows its own style and script only', (t) => {
  const html = htmlPage(timeline(build))
  const [, policy] = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(html)!
  t.regex(
    policy!,
    /^default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'; base-uri 'none'; form-action 'none'$/,
  )
  const texts = { style: /<style>([^]*?)<\/style>/, script: /<script>([^]*?)<\/script>/ }
  for (const [name, element] of Object.entries(texts)) {
    const text = element.exec(html)![1]!
    t.true(policy!.includes(`${name}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`), name)
  }
  t.notThrows(() => new vm.Script(texts.script.exec(html)![1]!))
  t.notRegex(html, /\b(?:src|href|action)=|url\(|@import|https?:/)
  t.notRegex(html, /@\w+@/)
})

test('each row of Markdown is one line with the columns of its table', (t) => {
  for (const text of HOSTILE) {
    const lines = markdown(timelineOf(treeOf(hostile(text)), { ...outcome, command: [text] })).split('\n')
    let columns = 0
    for (const line of lines) {
      // A separator that is not escaped, outside of code or in it.
      const cells = line.match(/(?<!\\)\|/g)?.length ?? 0
      if (!line.startsWith('|')) columns = 0
      else t.is(cells, (columns ||= cells), line)
      t.notRegex(line, /[\p{Cc}\p{Zl}\p{Zp}\u202e]/u)
    }
    const chart = lines.slice(lines.indexOf('```mermaid') + 4, lines.lastIndexOf('```'))
    t.is(chart.length, 2)
    for (const line of chart) t.regex(line, /^ {4}\d+ [\p{L}\p{N} ._+()/→…-]* :(crit, |active, )?\d+, \d+$/u)
    const outside = lines.filter((line) => !line.startsWith('<') && !chart.includes(line)).join('\n')
    t.notRegex(outside.replace(/(`+)(?:(?!\1)[^])*?\1/g, ''), /(?<!\\)[<[]/, text)
  }
})

test('speedscope imports the trace with every process', async (t) => {
  const processes = 5000
  const entries: Entry[] = [fork(0, 9, 1), exec(0, 9, 'make')]
  for (let n = 0; n < processes; n++)
    entries.push(fork(n, n + 10, 9), exec(n + 0.1, n + 10, `p${n % 20}`), exit(n + 1 + (n % 7), n + 10))
  entries.push(exit(processes + 10, 9))
  entries.sort((a, b) => a.timestampNs - b.timestampNs)
  for (const [some, count] of [
    [build, 4],
    [entries, processes + 1],
  ] as const) {
    const text = JSON.stringify(chromeTraceOf(timeline(some)))
    const profiles = await importIntoSpeedscope('build.trace.json', text)
    const calls: string[] = []
    for (const profile of profiles) {
      t.regex(profile.getName(), /^make -j2 \(pid 1\), lane \d+ \(tid \d+\)$/)
      profile.forEachCall(
        ({ frame }) => calls.push(frame.name),
        () => {},
      )
    }
    const { slices } = checkTrace(JSON.parse(text).traceEvents)
    t.is(slices, count)
    t.true(calls.length >= count)
    t.is(calls.filter((name) => name.startsWith('make')).length, 1)
  }
})

test.serial('the trace of a build by two jobs nests, and speedscope imports it', async (t) => {
  if (!has(t, 'make', 'cc')) return
  const place = temporaryFolder(t)
  const sources = 12
  for (let n = 0; n < sources; n++) writeFileSync(join(place, `f${n}.c`), `int f${n}(int x) { return x * ${n}; }\n`)
  writeFileSync(join(place, 'main.c'), 'int main(void) { return 0; }\n')
  const rules = 'prog: $(patsubst %.c,%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\n'
  writeFileSync(join(place, 'Makefile'), rules)
  const file = join(place, 'build.trace.json')
  const it = command(t, ['run', '--format', 'trace', '--output', file, '--', 'make', '-s', '-j2', '-C', place])
  t.deepEqual(await it.ended, [0, null], it.stderr)
  const text = readFileSync(file, 'utf8')
  const { traceEvents, otherData } = JSON.parse(text)
  const { crossing, unpaired, slices } = checkTrace(traceEvents)
  t.deepEqual([crossing, unpaired, otherData.notDrawn], [0, 0, 0])
  // Each compilation has a driver and a compiler.
  if (otherData.lost === 0) t.true(slices > 2 * sources)
  let compilers = 0
  for (const profile of await importIntoSpeedscope('build.trace.json', text))
    profile.forEachCall(
      ({ frame }) => void (compilers += Number(/^(?:cc1|clang)/.test(frame.name))),
      () => {},
    )
  if (otherData.lost === 0) t.true(compilers > sources)
})

test.serial('the page opens in a browser without an error, and its buttons work', async (t) => {
  const file = join(temporaryFolder(t), 'page.html')
  for (const entries of [build, hostile(HOSTILE[0]!), [], build.slice(0, 3)]) {
    writeFileSync(file, htmlPage(timeline(entries)))
    const page = await openPage(t, file)
    if (page === null) return
    const state = await page.evaluate(`(() => {
      const click = (id) => document.getElementById(id).click()
      for (const id of ['lanes', 'in', 'in', 'out', 'fit', 'tree', 'failed']) click(id)
      for (const button of document.querySelectorAll('[data-bar]')) button.click()
      const [details] = document.querySelectorAll('#details')
      return { hidden: document.getElementById('timeline').hidden, found: document.getElementById('found').textContent,
        details: details.textContent, scripts: document.scripts.length, images: document.images.length }
    })()`)
    t.deepEqual(page.problems(), [])
    t.like(state, { hidden: false, scripts: 2, images: 0 })
    if (entries === build) t.is((state as { found: string }).found, '2 found')
    if (entries.length > 0) t.regex((state as { details: string }).details, /^process/)
    page.close()
  }
})

const FORMATS: readonly RunOptions['format'][] = ['trace', 'html', 'folded', 'markdown', 'tree', 'json']

test.serial('run writes each format, live and from a recording, to a file or a stream', async (t) => {
  const place = temporaryFolder(t)
  const report = join(place, 'report.json')
  const script = 'sh -c "exit 3"; sleep 0.05 & wait; exit 4'
  const recorded = command(t, ['run', '--json', '--output', report, '--', 'sh', '-c', script])
  t.deepEqual(await recorded.ended, [4, null])
  const begins = { trace: /^\{"displayTimeUnit"/, html: /^<!doctype html>/, folded: /^sh/, markdown: /^### `sh -c/ }
  for (const format of FORMATS) {
    const [file, other] = [join(place, `live.${format}`), join(place, `replay.${format}`)]
    const live = command(t, ['run', '--format', format, '--output', file, '--', 'sh', '-c', script])
    t.deepEqual(await live.ended, [4, null], format)
    t.deepEqual([live.stdout, live.stderr], ['', ''])
    const replayed = command(t, ['run', '--format', format, '--output', other, '--replay', report])
    t.deepEqual(await replayed.ended, [0, null], format)
    const streamed = command(t, ['run', '--format', format, '--replay', report])
    t.deepEqual(await streamed.ended, [0, null], format)
    t.is(streamed.stdout, readFileSync(other, 'utf8'), format)
    for (const one of [file, other]) t.regex(readFileSync(one, 'utf8'), begins[format as 'trace'] ?? /sh/, format)
    if (format === 'trace') {
      for (const one of [file, other]) {
        const { traceEvents, otherData } = JSON.parse(readFileSync(one, 'utf8'))
        t.like(checkTrace(traceEvents), { crossing: 0, unpaired: 0, slices: 3 })
        t.like(otherData, { tool: 'proc-events', source: 'netlink', lost: 0, notDrawn: 0 })
      }
    }
  }
  const weighted = (path: string) => command(t, ['run', '--format', 'folded', '--weight', 'cpu', '--replay', path])
  const costs = weighted(report)
  if ((await probe()).usage) {
    t.deepEqual(await costs.ended, [0, null])
    t.regex(costs.stdout, /^sh \d+$/m)
  }
  const unknown = join(place, 'unknown.json')
  writeFileSync(unknown, readFileSync(report, 'utf8').replaceAll(/"usage":\{[^}]*\}/g, '"usage":null'))
  const without = weighted(unknown)
  t.deepEqual(await without.ended, [1, null])
  t.is(without.stderr, 'proc-events: --weight: no CPU time is known of these processes\n')
})

test.serial('Markdown is added to the summary of a GitHub step, and replaces another file', async (t) => {
  const place = temporaryFolder(t)
  for (const [name, kept] of [
    ['summary', true],
    ['other', false],
  ] as const) {
    const file = join(place, name)
    writeFileSync(file, 'before\n')
    const env = { GITHUB_STEP_SUMMARY: join(place, 'summary') }
    const it = command(t, ['run', '--format', 'markdown', '--output', file, '--', 'true'], { env })
    t.deepEqual(await it.ended, [0, null])
    const text = readFileSync(file, 'utf8')
    t.is(text.startsWith('before\n### `true`'), kept)
    t.true(text.includes('### `true`'))
  }
})

test.serial('a recording that does not end is reported at a signal', async (t) => {
  const it = command(t, ['run', '--replay', '-', '--format', 'folded'])
  const lines = build.map((one) => JSON.stringify(one)).join('\n')
  // More than a pipe holds: it reads, and expects a signal.
  it.child.stdin!.on('error', () => {}).write(`${lines}\n${' '.repeat(2 ** 20)}\n`)
  await until('it has read most of it', () => it.child.stdin!.writableLength === 0)
  it.child.kill('SIGINT')
  t.deepEqual(await it.ended, [0, null])
  t.is(it.stderr, '')
})

test.serial('secrets are hidden in every picture', async (t) => {
  for (const format of FORMATS) {
    for (const option of ['--redact', '--no-args']) {
      const it = command(t, ['run', '--format', format, option, '--', 'env', 'A_TOKEN=geheim', 'true'])
      t.deepEqual(await it.ended, [0, null])
      t.false(it.stderr.includes('geheim'), `${format} ${option}`)
    }
  }
})

test('an empty recording has a picture in each format', (t) => {
  const empty = timelineOf(new ProcessTree(), { command: [], exitCode: null, signal: null, lost: 0 })
  t.is(checkTrace(chromeTraceOf(empty).traceEvents).slices, 0)
  t.is(foldedStacks(empty, 'time'), '')
  t.regex(markdown(empty), /^### processes\n\n0 processes · 0 failed/)
  t.true(htmlPage(empty).includes('0 processes'))
})
