/** Streams of JSON as pipelines get them: numbered lines, heartbeats, blocked pipes, full disks, rotated files, metrics. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { rotatedFiles } from '../../dist/src/cli/output/rotating-file.js'
import { type Command, command, fullPipe, program, watching } from '../support/cli-harness.ts'
import { temporaryFolder, until } from '../support/helpers.ts'
import { Load, skipped } from '../support/load.ts'

const load = new Load(`stream${process.pid}`)
test.after.always(() => load.remove())

function parsed(text: string): any[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** Checks that the lines are a whole stream, without gaps and duplicates, in which all lost lines are told. Returns it. */
function checkStream(t: ExecutionContext, objects: any[]): any[] {
  const [first] = objects
  t.is(first.type, 'start')
  t.deepEqual(
    objects.map(({ seq }) => seq),
    objects.map((_, index) => index),
  )
  for (const { stream, timeNs, type } of objects) t.true(stream === first.stream && /^\d{19}$/.test(timeNs), type)
  const end = objects.at(-1)
  t.is(end.type, 'end')
  t.is(end.lostOutput, lostLines(objects))
  return objects
}

function lostLines(objects: any[]): number {
  return objects.reduce((sum, { type, cause, lost }) => sum + (type === 'loss' && cause === 'output' ? lost : 0), 0)
}

async function interrupted(t: ExecutionContext, it: Command): Promise<void> {
  it.child.kill('SIGINT')
  t.deepEqual(await it.ended, [0, null], it.stderr)
}

/** Reads the metrics of a command at a socket, by name. */
function metrics(socketPath: string): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => (text += piece))
      response.on('end', () => {
        const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
        resolve(
          Object.fromEntries(samples.map((line) => line.split(' ')).map(([name, value]) => [name, Number(value)])),
        )
      })
    })
    asked.on('error', reject).end()
  })
}

/** The socket exists before the command listens. */
function isServed(socketPath: string): Promise<boolean> {
  return metrics(socketPath).then(
    () => true,
    () => false,
  )
}

/** Starts short processes until lines are skipped. Returns their number. */
async function overflow(socketPath: string): Promise<number> {
  let count = 0
  for (let skipped = 0; skipped === 0;) {
    await load.storm({ count: 400, workers: 1 }).done
    count += 400
    skipped = (await metrics(socketPath))['proc_events_output_skipped_lines_total']!
  }
  return count
}

test.serial('each line of a stream has a number, and heartbeats have the figures', async (t) => {
  const { path } = program(t)
  const it = command(t, ['--json', '--heartbeat', '0.05'])
  await watching(it, path)
  await until('a heartbeat counts an exit', () => /"type":"heartbeat".*"exit":[1-9]/.test(it.stdout))
  await interrupted(t, it)
  const objects = checkStream(t, parsed(it.stdout))
  t.like(objects[0], { events: ['exec', 'exit'], sample: 1 })
  const last = objects.findLast(({ type }) => type === 'heartbeat')
  t.true(last.exec > 0 && last.exit > 0 && last.cpuNs > 0 && last.rssBytes > 2 ** 20)
  t.like(last, { lostSocket: 0, lostQueue: 0, lostOutput: 0, usageLost: 0 })
})

test.serial('--failed and --min-duration print exits only', async (t) => {
  const { path, name } = program(t)
  const it = command(t, ['--json', '--failed', '--exe', path])
  const ways = ['exit 0', 'exit 3', 'kill -9 $$']
  await watchingFailed(it, path)
  for (const way of ways) spawnSync(path, ['-c', way])
  await until('the last exit is printed', () => it.stdout.includes('SIGKILL'))
  await interrupted(t, it)
  const exits = checkStream(t, parsed(it.stdout)).filter(({ exitCode }) => exitCode !== 77)
  t.deepEqual(
    exits.map(({ type, exitCode }) => `${type} ${exitCode ?? ''}`.trim()),
    ['start', 'exit 3', 'exit', 'end'],
  )
  t.deepEqual(exits[0].events, ['exit'])
  const long = command(t, ['--json', '--min-duration', '150ms', '--name', name, '--duration', '30', '--count', '1'])
  await until('the command has started', () => long.stdout.includes('"type":"start"'))
  while (!long.stdout.includes('"type":"exit"')) {
    spawnSync(path, ['-c', 'exit 1'])
    spawnSync(path, ['-c', 'sleep 0.2; exit 2'])
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.deepEqual(await long.ended, [0, null])
  t.like(parsed(long.stdout)[1], { type: 'exit', exitCode: 2 })
})

/** Resolves when the command reports failed processes of this program. */
async function watchingFailed(it: Command, path: string): Promise<void> {
  while (!it.stdout.includes('"exitCode":77')) {
    spawnSync(path, ['-c', 'exit 77'])
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test.serial('a blocked pipe costs bounded memory, and the skipped lines are told in their place', async (t) => {
  const { fd, empty } = fullPipe()
  const socket = join(temporaryFolder(t), 'metrics')
  const args = ['--json', '--buffer', '64K', '--heartbeat', '0.02', '--metrics', socket]
  const it = command(t, args, { stdio: ['ignore', fd, 'pipe'] })
  await until('the command serves metrics', () => isServed(socket))
  await until('lines wait', async () => (await metrics(socket))['proc_events_output_held_bytes']! > 0)
  const count = await overflow(socket)
  t.true((await metrics(socket))['proc_events_output_held_bytes']! <= 64 * 1024)
  let text = ''
  const drained = (part: string) => until(`${part} is printed`, () => (text += empty()).includes(part))
  await drained('"cause":"output"')
  // A later event may be skipped again, because other programs start processes, too.
  const pids: (number | undefined)[] = []
  while (!pids.some((pid) => text.split('"cause":"output"').slice(1).join().includes(`"pid":${pid},`))) {
    const { child, done } = load.storm({ count: 1 })
    pids.push(child.pid)
    await done
    text += empty()
  }
  it.child.kill('SIGINT')
  await drained('"type":"end"')
  t.deepEqual(await it.ended, [0, null])
  const objects = checkStream(t, parsed(text))
  const at = objects.findIndex(({ type, cause }) => type === 'loss' && cause === 'output')
  const events = objects.filter(({ type }) => type === 'exec' || type === 'exit')
  t.true(lostLines(objects) > 0 && events.length + lostLines(objects) >= 2 * count)
  // Earlier lines are before it, and later ones behind it.
  const times = (part: any[]): number[] =>
    part.filter(({ origin }) => origin === 'kernel').map(({ timestampNs }) => timestampNs)
  t.true(Math.max(...times(objects.slice(0, at))) < Math.min(...times(objects.slice(at))))
})

test.serial('a file is rotated at whole lines, old ones are removed, and --replay reads them in order', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'events.ndjson')
  const it = command(t, ['--output', path, '--rotate', '64K', '--keep', '2'])
  const removed = new Set<string>()
  while (removed.size < 5) {
    await load.storm({ count: 50 }).done
    for (const file of rotatedFiles(path)) removed.add(file)
  }
  await interrupted(t, it)
  t.is(it.stdout, '')
  const files = [...rotatedFiles(path), path]
  t.is(files.length, 3)
  t.deepEqual(readdirSync(folder).length, 3)
  const whole = files.map((file) => readFileSync(file, 'utf8'))
  for (const [index, text] of whole.entries()) {
    t.true(text.endsWith('\n') && Buffer.byteLength(text) <= 64 * 1024 + 1024)
    const [start, ...rest] = parsed(text)
    t.like(start, { type: 'start', seq: 0 })
    t.is(statSync(files[index]!).mode & 0o777, 0o640)
    t.false(rest.some(({ type }) => type === 'start'))
  }
  const lines = whole.flatMap((text) => parsed(text).slice(1))
  t.deepEqual(
    lines.map(({ seq }) => seq),
    lines.map((_, index) => lines[0].seq + index),
  )
  const replay = command(t, ['--replay', path, '--json'])
  t.deepEqual(await replay.ended, [0, null])
  t.is(replay.stdout, whole.join(''))
})

test.serial('a file of an earlier day is rotated, and one of today is not', async (t) => {
  const path = join(temporaryFolder(t), 'f')
  const earlier = '{"type":"end"}\n'
  writeFileSync(path, earlier)
  utimesSync(path, 1, 1)
  for (let index = 0; index < 2; index++) {
    const it = command(t, ['--output', path, '--rotate', 'daily'])
    await until('the command has started', () => readFileSync(path, 'utf8').split('"type":"start"').length > index + 1)
    await interrupted(t, it)
  }
  const [rotated, another] = rotatedFiles(path)
  t.deepEqual([readFileSync(rotated!, 'utf8'), another], [earlier, undefined])
  const objects = parsed(readFileSync(path, 'utf8'))
  const at = objects.findIndex(({ type }) => type === 'end') + 1
  for (const part of [objects.slice(0, at), objects.slice(at)]) checkStream(t, part)
})

test.serial('a later run goes on with the file, behind a line that was cut off', async (t) => {
  const path = join(temporaryFolder(t), 'f')
  writeFileSync(path, '{"type":"cut')
  for (let index = 0; index < 2; index++) {
    const it = command(t, ['--output', path])
    await until('the command has started', () => readFileSync(path, 'utf8').split('"type":"start"').length > index + 1)
    await interrupted(t, it)
  }
  const [cut, ...lines] = readFileSync(path, 'utf8').split('\n')
  t.is(cut, '{"type":"cut')
  const objects = parsed(lines.join('\n'))
  const at = objects.findIndex(({ type }) => type === 'end') + 1
  for (const part of [objects.slice(0, at), objects.slice(at)]) checkStream(t, part)
})

test.serial('a full disk is waited for, and what it cost is told once there is room', async (t) => {
  const folder = temporaryFolder(t)
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', disk]).status !== 0)
    return void skipped(t, 'mount is not permitted')
  t.teardown(() => spawnSync('umount', ['-l', disk]))
  const [path, filler, socket] = [join(disk, 'f'), join(disk, 'filler'), join(folder, 'metrics')]
  const it = command(t, ['--output', path, '--buffer', '64K', '--metrics', socket])
  await until(
    'the command has started',
    async () => (await isServed(socket)) && existsSync(path) && statSync(path).size > 0,
  )
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'])
  const count = await overflow(socket)
  await until('the full disk is reported', () => it.stderr.includes('ENOSPC'))
  rmSync(filler)
  await until('the loss is written', () => readFileSync(path, 'utf8').includes('"cause":"output"'))
  await interrupted(t, it)
  const objects = checkStream(t, parsed(readFileSync(path, 'utf8')))
  const events = objects.filter(({ type }) => type === 'exec' || type === 'exit')
  t.true(events.length + lostLines(objects) >= 2 * count)
  t.is(it.stderr.split('ENOSPC').length, 2, it.stderr)
  t.regex(it.stderr, /^proc-events: \S+\/f: ENOSPC: .*\. Lines wait, and are then skipped\n.*\/f: written again\n/)
})

test.serial('a command on a full disk ends with an error that names the file', async (t) => {
  const disk = temporaryFolder(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk]).status !== 0)
    return void skipped(t, 'mount is not permitted')
  t.teardown(() => spawnSync('umount', ['-l', disk]))
  const path = join(disk, 'f')
  const it = command(t, ['--output', path])
  while (!it.stderr.includes('ENOSPC')) await load.storm({ count: 20 }).done
  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [1, null])
  t.regex(it.stderr.split('\n').at(-2)!, /^proc-events: \S+\/f: ENOSPC: no space left on device, write$/)
})

test.serial('places that cannot be written or served are one clear line', async (t) => {
  const folder = temporaryFolder(t)
  spawnSync('mkfifo', [join(folder, 'pipe')])
  for (const [args, message] of [
    [['--output', '/proc/nowhere/f'], /^proc-events: ENOENT: no such file or directory, open '\/proc\/nowhere\/f'\n$/],
    [['--output', '/proc/version'], /^proc-events: (EACCES: .* '|)\/proc\/version(: EIO: .*|')\n$/],
    [['--output', folder], /^proc-events: --output: .* is no regular file\n$/],
    [['--output', join(folder, 'pipe')], /^proc-events: --output: .*pipe is no regular file\n$/],
    [['--output', '/dev/null', '--rotate', '1M'], /^proc-events: --rotate: \/dev\/null is no regular file\n$/],
    [['--metrics', '/proc/nowhere/s'], /^proc-events: --metrics: listen E\w+: .*\/proc\/nowhere\/s\n$/],
    [['--metrics', '192.0.2.1:9100'], /^proc-events: --metrics: listen EADDRNOTAVAIL: .* 192\.0\.2\.1:9100\n$/],
  ] as const) {
    const it = command(t, [...args])
    t.deepEqual(await it.ended, [1, null], args.join(' '))
    t.regex(it.stderr, message)
  }
})

test.serial('metrics are served on loopback, and a stale socket is replaced', async (t) => {
  const socket = join(temporaryFolder(t), 'metrics')
  const first = command(t, ['--json', '--metrics', socket])
  await until('the command serves metrics', () => isServed(socket))
  t.is((await metrics(socket))['proc_events_lost_total{cause="socket"}'], 0)
  const second = command(t, ['--json', '--metrics', socket])
  t.deepEqual(await second.ended, [1, null])
  t.regex(second.stderr, /^proc-events: --metrics: listen EADDRINUSE: /)
  first.child.kill('SIGKILL')
  await first.ended
  t.true(existsSync(socket))
  const third = command(t, ['--json', '--metrics', socket])
  await until('the command has started', () => third.stdout.includes('"type":"start"'))
  t.is((await metrics(socket))['proc_events_source{source="netlink"}'], 1)
  await interrupted(t, third)
  t.false(existsSync(socket))
})
