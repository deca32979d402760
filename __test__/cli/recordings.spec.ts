/** Recordings: their first and last objects, the schema of their keys, and their way back into reports. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js'
import test from 'ava'
import { toEntry } from '../../dist/src/recording/ndjson.js'
import { command, program, watching } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { temporaryFolder, until } from '../support/helpers.ts'
import { fileOf, recording, text } from '../support/screens.ts'

const schema = JSON.parse(readFileSync(join(root, 'schema', 'recording.schema.json'), 'utf8')) as AnySchemaObject
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true, formats: { 'date-time': true } })
const isValid = ajv.compile(schema)
/** Accepts no key that the schema lacks. */
const isDocumented = new Ajv2020({ allowUnionTypes: true, formats: { 'date-time': true } }).compile(
  withoutOtherKeys(schema) as AnySchemaObject,
)
const oldReport = new URL('../support/run-old.ndjson', import.meta.url).pathname

function withoutOtherKeys(of: unknown): unknown {
  if (typeof of !== 'object' || of === null) return of
  if (Array.isArray(of)) return of.map(withoutOtherKeys)
  const copy = Object.fromEntries(Object.entries(of).map(([key, value]) => [key, withoutOtherKeys(value)]))
  return 'properties' in of && 'type' in of ? { ...copy, additionalProperties: false } : copy
}

function parsed(lines: string): any[] {
  return lines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

test.serial('every object of a recording and of a report matches the schema, and has no other keys', async (t) => {
  const { path } = program(t)
  const it = command(t, ['--json', '--events', 'all', '--heartbeat', '0.01'])
  await watching(it, path)
  await until('a heartbeat is printed', () => it.stdout.includes('"type":"heartbeat"'))
  it.child.kill('SIGINT')
  t.deepEqual(await it.ended, [0, null])
  const report = command(t, ['run', '--json', '--', 'sh', '-c', 'true; (exit 3); exec env true'])
  t.deepEqual(await report.ended, [0, null])
  const objects = [...parsed(it.stdout), ...parsed(report.stderr), ...parsed(text)]
  t.true(objects.length > 10)
  for (const object of objects) {
    t.true(isValid(object), JSON.stringify([object, isValid.errors]))
    t.true(isDocumented(object), JSON.stringify([object, isDocumented.errors]))
  }
  // The schema refuses something.
  for (const wrong of [
    {},
    { ...objects[0], version: 5 },
    { ...objects.find(({ type }) => type === 'exec'), pid: 'x' },
    { type: 'run' },
  ])
    t.false(isValid(wrong))
})

test.serial('a recording begins with its start and ends with its end', async (t) => {
  const { path } = program(t)
  const it = command(t, ['--json', '--name', 'no-such-name', '--name', path.split('/').at(-1)!])
  await watching(it, path)
  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [0, null])
  const objects = parsed(it.stdout)
  const [start, end] = [objects[0], objects.at(-1)]
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  t.like(start, { type: 'start', version, host: hostname(), bootId, clock: 'CLOCK_MONOTONIC', source: 'netlink' })
  t.like(end, { type: 'end', lost: 0 })
  t.is(objects.filter(({ type }) => type === 'start' || type === 'end').length, 2)
  for (const { timestampNs } of objects) t.true(start.timestampNs <= timestampNs && timestampNs <= end.timestampNs)
})

test.serial('a recording shows the same objects again, and no view shows its start or end', async (t) => {
  const moment = { time: '2026-01-02T03:04:05.000Z', timestampNs: 86399e9 }
  const place = { version: '0.1.0', host: 'h', bootId: null, clock: 'CLOCK_MONOTONIC', source: 'netlink' }
  const whole = [
    JSON.stringify({ type: 'start', ...moment, ...place }),
    text.trimEnd(),
    JSON.stringify({ type: 'end', ...moment, timestampNs: 87155e9, lost: 17 }),
    '',
  ].join('\n')
  const shown = async (input: string, ...args: string[]): Promise<string> => {
    const it = command(t, ['--replay', '-', '--events', 'all', ...args])
    it.child.stdin!.end(input)
    t.deepEqual(await it.ended, [0, null])
    return it.stdout
  }
  t.is(await shown(whole, '--json'), whole)
  for (const view of [[], ['--tree']]) t.is(await shown(whole, ...view), await shown(text, ...view))
})

test.serial('a report is the same after it was written and read', async (t) => {
  const report = readFileSync(fileOf('run.json'), 'utf8')
  const it = command(t, ['run', '--replay', fileOf('run.json').pathname, '--json'])
  t.deepEqual(await it.ended, [0, null])
  t.is(it.stdout, report)
  // One of this moment has all keys.
  const place = join(temporaryFolder(t), 'report')
  const live = command(t, ['run', '--json', '--output', place, '--', 'sh', '-c', 'true & sh -c "exec env false"; wait'])
  t.deepEqual(await live.ended, [0, null])
  const again = command(t, ['run', '--replay', place, '--json'])
  t.deepEqual(await again.ended, [0, null])
  const [before, after] = [JSON.parse(readFileSync(place, 'utf8')), JSON.parse(again.stdout)]
  t.deepEqual(after, before)
  for (const { startTime, forked, execs } of before.processes) {
    t.true(forked)
    if (execs.length > 0) t.true(Number.isInteger(startTime) && execs[0].cwd === process.cwd())
  }
})

test.serial('a report of an older version is read', async (t) => {
  const old = JSON.parse(readFileSync(oldReport, 'utf8'))
  t.false('start' in old)
  const it = command(t, ['run', '--replay', oldReport, '--json'])
  t.deepEqual(await it.ended, [0, null])
  const { processes, ...rest } = JSON.parse(it.stdout)
  t.like(rest, { command: ['bash', 'script'], failed: 6, running: 1, lost: 17, start: null })
  for (const [index, { execs, ...process }] of processes.entries()) {
    const { execs: oldExecs, ...known } = old.processes[index]
    t.like(process, known)
    t.is(execs.length, oldExecs.length)
    for (const [at, exec] of execs.entries()) t.like(exec, oldExecs[at])
  }
  const summary = command(t, ['--replay', oldReport, '--summary', '--json'])
  t.deepEqual(await summary.ended, [0, null])
  t.like(JSON.parse(summary.stdout), { execs: 15, exits: 14, failed: 6, lost: 17 })
})

test.serial('an object with a key of the wrong type is refused', (t) => {
  const exit = { type: 'exit', time: '2026-01-02T03:04:05.000Z', timestampNs: 1, pid: 5 }
  for (const [over, message] of [
    [{ usage: 5 }, /^"usage" is not an object of numbers$/],
    [{ usage: { cpuNs: 'x' } }, /^"usage" is not/],
    [{ type: 'end' }, /^"lost" is missing/],
    [{ type: 'start', version: 5 }, /^"version" is not a string$/],
  ] as const)
    t.throws(() => toEntry({ ...exit, ...over }), { message })
  t.like(toEntry({ ...exit, usage: { cpuNs: 5, maxRssBytes: null } }), { usage: { cpuNs: 5 } })
})

test.serial('each key of the schema is documented', (t) => {
  const page = join(root, 'docs', 'recordings.md')
  const before = readFileSync(page, 'utf8')
  t.is(spawnSync(process.execPath, [join(root, 'scripts', 'docs', 'recording-keys.mjs')]).status, 0)
  t.is(readFileSync(page, 'utf8'), before, 'npm run docs')
  for (const definition of Object.values(schema['$defs']) as { properties: object }[])
    for (const key of Object.keys(definition.properties)) t.true(before.includes(`| \`${key}\` |`), key)
})

test.serial('a report that is one long line is read', async (t) => {
  const report = JSON.parse(readFileSync(oldReport, 'utf8'))
  const [first] = report.processes
  report.processes = Array.from({ length: 40_000 }, (_, index) => ({ ...first, pid: index + 10, ppid: 1, depth: 0 }))
  const it = command(t, ['run', '--replay', '-', '--min-duration', '1h'])
  it.child.stdin!.end(JSON.stringify(report))
  t.deepEqual(await it.ended, [0, null])
  t.regex(it.stdout, /^40000 processes, 0 failed, 40000 still running/m)
})

test.serial('recordings are read from a file that grows no more', async (t) => {
  const it = command(t, ['run', '--replay', recording])
  t.deepEqual(await it.ended, [0, null])
  t.regex(it.stdout, /^SIGSEGV .* gamed --fullscreen \[core dumped\]$/m)
  const missing = command(t, ['run', '--replay', '/nowhere'])
  t.deepEqual(await missing.ended, [1, null])
  t.regex(missing.stderr, /^proc-events: ENOENT/)
})
