/** The `proc-events` command as a user starts it, on real processes and the real kernel. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { basename } from 'node:path'
import test from 'ava'
import {
  catchesInterrupts,
  command,
  ended,
  fullPipe,
  isListening,
  main,
  program,
  run,
  watching,
} from '../support/cli-harness.ts'
import { until } from '../support/helpers.ts'

/** The name of this process at its exec. Its main thread has renamed itself. */
const own = basename(process.execPath)
const clock = String.raw`\d\d:\d\d:\d\d\.\d{3}`
const summary = /^\d+ execs? and \d+ exits? in \d+\.\d s, \d+ failed, 0 events lost\n/

test.serial('each exec and exit is a line with columns', async (t) => {
  const it = command(t, [])
  await watching(it)
  const { path } = program(t)
  const cases = [
    ['exit 0', '0'],
    ['exit 7', '7'],
    ['exit 255', '255'],
    ['kill -s KILL $$', 'SIGKILL'],
    ['kill -s TERM $$', 'SIGTERM'],
    ['kill -s SEGV $$', 'SIGSEGV'],
  ] as const
  for (const [last, status] of cases) {
    const pid = await run(it, path, last)
    const ids = `${String(pid).padStart(7)}  ${String(process.pid).padStart(7)}`
    const who = `${userInfo().username.padEnd(8)}  ${own.slice(0, 15).padEnd(15)}`
    const [exec, exit] = it.of(pid)
    const line = `${path} -c 'read line; ${last}'`
    t.is(exec!.slice(12), `  exec   ${ids}  ${who}  ${' '.repeat(19)}  ${line}`)
    const mark = status === '0' ? '[ ~]' : '!'
    const start = `^${clock} ${mark}exit   ${ids}  ${who}  ${status} +\\d+\\.\\dm?s {2}`
    t.regex(exit!, new RegExp(start))
    t.true(exit!.endsWith(`  ${line}`))
    t.regex(exec!, new RegExp(`^${clock}`))
    t.is(exit!.indexOf(path), exec!.indexOf(path))
  }
  t.deepEqual(
    it.of(process.pid).filter((line) => line.slice(21, 28).trim() === String(process.pid)),
    [],
  )
  t.false(it.stdout.includes('\x1b'))
  it.child.kill('SIGINT')
  t.deepEqual(await it.ended, [0, null])
  t.regex(it.stderr, summary)
})

test.serial('--json prints one object per line', async (t) => {
  const it = command(t, ['--json'])
  await watching(it)
  const { name, path } = program(t)
  const before = Number(process.hrtime.bigint())
  const pid = await run(it, path, 'exit 7')
  const events = it.of(pid).map((line) => JSON.parse(line))
  const keys = ['type', 'time', 'timestampNs', 'pid', 'ppid', 'name', 'origin']
  const added = ['comm', 'cwd', 'gid', 'loginUid', 'startTime', 'timeNs', 'stream', 'seq']
  const details = ['parentName', 'uid', 'user', 'exe', 'argv', 'cgroup', 'containerId', ...added]
  const ownKeys = ['exitCode', 'signal', 'coreDumped', 'durationNs', 'durationSince', 'usage']
  t.deepEqual(Object.keys(events[0]), [...keys, ...details])
  t.deepEqual(Object.keys(events[1]), [...keys, ...ownKeys, ...details])
  const user = { uid: process.getuid!(), gid: process.getgid!(), user: userInfo().username }
  const shown = { ...user, parentName: own, exe: path, comm: name.slice(0, 15), cwd: process.cwd() }
  const argv = [path, '-c', 'read line; exit 7']
  const both = { pid, ppid: process.pid, name, origin: 'kernel', ...shown, argv }
  t.like(events[0], { type: 'exec', ...both })
  t.like(events[1], { type: 'exit', ...both, exitCode: 7, signal: null, coreDumped: false })
  t.is(events[1].durationNs, events[1].timestampNs - events[0].timestampNs)
  t.is(events[1].durationSince, 'exec')
  t.true(events[0].startTime > 0 && events[0].startTime === events[1].startTime)
  for (const { time, timestampNs } of events) {
    t.true(timestampNs > before && timestampNs < Number(process.hrtime.bigint()))
    const wall = Date.now() - (Number(process.hrtime.bigint()) - timestampNs) / 1e6
    t.true(Math.abs(Date.parse(time) - wall) < 50)
  }
  t.true(
    it.stdout
      .trimEnd()
      .split('\n')
      .every((line) => JSON.parse(line).origin !== 'bootstrap'),
  )
  it.child.kill('SIGTERM')
  t.deepEqual(await it.ended, [0, null])
  t.regex(it.stderr, summary)
})

test.serial('--name shows matching processes only', async (t) => {
  const [shown, hidden] = [program(t), program(t)]
  const it = command(t, ['--name', shown.name])
  await watching(it, shown.path)
  const other = spawn(hidden.path, ['-c', ':'])
  await ended(other)
  const pid = await run(it, shown.path, 'exit 0')
  t.true(it.of(pid).every((line) => line.includes(`  ${shown.path} -c`)))
  // For processes that ran only while the command started, it may have the name alone.
  t.true(
    it.stdout
      .trimEnd()
      .split('\n')
      .every((line) => line.includes(`  ${shown.path} -c`) || line.endsWith(`  ${shown.name}`)),
  )
  t.deepEqual(it.of(other.pid!), [])
})

test.serial('--duration ends the command', async (t) => {
  const it = command(t, ['--duration', '0.25', '--name', program(t).name])
  t.deepEqual(await it.ended, [0, null])
  t.is(it.stdout, '')
  t.regex(it.stderr, /^0 execs and 0 exits in 0\.[2-9] s, 0 failed, 0 events lost\n$/)
})

test.serial('a closed pipe ends the command without an error', async (t) => {
  const it = command(t, ['--json'])
  await watching(it)
  it.child.stdout!.destroy()
  let over = false
  const outcome = it.ended.finally(() => (over = true))
  while (!over) await ended(spawn('/bin/true', { stdio: 'ignore' }))
  t.deepEqual(await outcome, [0, null])
  t.is(it.stderr, '')
})

test.serial('at the end the command waits for a slow reader, and Ctrl-C kills it', async (t) => {
  for (const patient of [true, false]) {
    const pipe = fullPipe()
    const it = command(t, ['--duration', '0.25'], { stdio: ['ignore', pipe.fd, 'pipe'] })
    await until('it is ready', () => catchesInterrupts(it.child.pid!))
    while (catchesInterrupts(it.child.pid!)) await ended(spawn('/bin/true', { stdio: 'ignore' }))
    t.is(it.stderr, '')
    if (patient) {
      let over = false
      const outcome = it.ended.finally(() => (over = true))
      let text = ''
      await until('it has exited', () => {
        text += pipe.empty()
        return over
      })
      t.deepEqual(await outcome, [0, null])
      t.regex(it.stderr, summary)
      const [, execs, exits] = /^(\d+) execs? and (\d+) exits?/.exec(it.stderr)!
      t.is(text.match(/^\d.*$/gm)?.length, Number(execs) + Number(exits))
    } else {
      it.child.kill('SIGINT')
      t.deepEqual(await it.ended, [null, 'SIGINT'])
    }
  }
})

test.serial('FORCE_COLOR colours a pipe', async (t) => {
  const it = command(t, [], { env: { FORCE_COLOR: '1' } })
  await watching(it)
  const pid = await run(it, program(t).path, 'exit 1')
  const [exec, exit] = it.of(pid)
  t.true(exec!.includes('\x1b[32m exec \x1b[39m'))
  t.true(exit!.includes('\x1b[31m'))
})

test.serial('--count ends the command', async (t) => {
  const { name, path } = program(t)
  const it = command(t, ['--name', name, '--count', '3', '--json'])
  await watching(it, path)
  let over = false
  const outcome = it.ended.finally(() => (over = true))
  while (!over) await ended(spawn(path, ['-c', ':'], { stdio: 'ignore' }))
  t.deepEqual(await outcome, [0, null])
  // The start and the end of the recording do not count.
  t.is(it.stdout.trimEnd().split('\n').length, 5)
  t.regex(it.stderr, /^\d execs? and \d exits? in .* 0 events lost\n$/)
})

test.serial('--tree indents children, and --descendants-of hides unrelated processes', async (t) => {
  const parent = spawn('sh', ['-c', 'read line; sh -c "(exit 3); true; exit 2"; true'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const it = command(t, ['--tree', '--descendants-of', String(parent.pid)])
  await until('it listens', () => isListening(it.child.pid!))
  parent.stdin.end('\n')
  await ended(parent)
  await until('the exit is printed', () => / 2 +\d.*exit 2'\n/.test(it.stdout))
  it.child.kill('SIGINT')
  t.deepEqual(await it.ended, [0, null])
  const [context, exec, fork, exit] = it.stdout.split('\n').map((line) => line.slice(46))
  t.regex(context!, /^sh\b/)
  t.is(exec, `  sh -c '(exit 3); true; exit 2'`)
  t.is(fork, '    (a fork of sh)')
  t.is(exit, `  sh -c '(exit 3); true; exit 2'`)
})

test.serial('--pid shows a process alone, and with --descendants-of its descendants as well', async (t) => {
  const [own, child] = [
    ['exec own', 'exit own'],
    ['exec child', 'exit child'],
  ] as const
  const all = [own[0], ...child, own[1]]
  const cases: [(pid: string) => string[], readonly string[]][] = [
    [(pid) => ['--pid', pid], own],
    [(pid) => ['--descendants-of', pid], child],
    [(pid) => ['--descendants-of', pid, '--pid', pid], all],
    [(pid) => ['--pid', pid, '--name', 'another'], []],
    [(pid) => ['--pid', pid, '--name', 'another', '--name', 'sh'], own],
    // An event that several alternatives select is shown once.
    [(pid) => ['--descendants-of', pid, '--descendants-of', String(process.pid)], all],
  ]
  for (const [argsOf, expected] of cases) {
    // The second exec is a live event, even if the command has not yet scanned the running processes.
    const script = `read line; exec sh -c 'sh -c "exit 1"; exit 2'`
    const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
    const it = command(t, ['--json', ...argsOf(String(parent.pid))])
    // Earlier, the process may end before the command asks for it, which is an error.
    await until('it has begun', () => it.stdout.includes('"type":"start"'))
    parent.stdin.end('\n')
    await ended(parent)
    const shown = () =>
      it.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string; pid: number; ppid: number })
        .filter(({ pid, ppid }) => pid === parent.pid || ppid === parent.pid)
        .map(({ type, pid }) => `${type} ${pid === parent.pid ? 'own' : 'child'}`)
    await until('the events are printed', () => shown().length >= expected.length)
    it.child.kill('SIGINT')
    t.deepEqual(await it.ended, [0, null])
    t.deepEqual(shown(), expected, argsOf('PID').join(' '))
  }
})

test.serial('a pid that is not running is an error at once, but not in a recording', async (t) => {
  const past = spawn('true')
  await ended(past)
  const [own, gone] = [String(process.pid), String(past.pid)]
  const cases: [string[], string][] = [
    [['--pid', gone], `--pid: no process ${gone} is running`],
    [['--pid', own, '--pid', gone, '--top'], `--pid: no process ${gone} is running`],
    [['--pid', own, '--descendants-of', gone], `--descendants-of: no process ${gone} is running`],
  ]
  for (const [args, message] of cases) {
    const it = command(t, args)
    t.deepEqual(await it.ended, [1, null])
    t.is(it.stdout, '')
    t.is(it.stderr, `proc-events: ${message}\n`)
  }
  const replayed = command(t, ['--replay', '/dev/null', '--pid', gone])
  t.deepEqual(await replayed.ended, [0, null])
})

test.serial('several names are alternatives', async (t) => {
  const programs = [program(t), program(t), program(t)] as const
  const it = command(t, ['--name', programs[0].name, '--name', `/^${programs[1].name}$/`])
  await watching(it, programs[0].path)
  const hidden = spawn(programs[2].path, ['-c', ':'])
  await ended(hidden)
  const pids = [await run(it, programs[0].path, 'exit 0'), await run(it, programs[1].path, 'exit 0')]
  for (const pid of pids) t.is(it.of(pid).length, 2)
  t.deepEqual(it.of(hidden.pid!), [])
})

test.serial('a failure is one line on stderr and an exit code', async (t) => {
  const cases: [string[], NodeJS.ProcessEnv, number, RegExp][] = [
    [['--nope'], {}, 2, /^proc-events: unknown option '--nope' \(see proc-events --help\)\n$/],
    [
      ['run', '--summary'],
      {},
      2,
      /^proc-events: --summary is an option of proc-events without a command \(see proc-events run --help\)\n$/,
    ],
    [['--name', '/(/'], {}, 2, /^proc-events: --name: Invalid regular expression.*\n$/],
    [['--duration', '0'], {}, 2, /^proc-events: --duration: expected a duration .*\n$/],
    [[], { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere/x.node' }, 3, /^proc-events: ERR_NATIVE_BINDING: .*npm install.*\n$/],
    [
      [],
      { HOST_PROC: '/nowhere' },
      3,
      /^proc-events: ERR_PROC_UNREADABLE: .*\. Mount .* or name another one in \$HOST_PROC\.\n$/,
    ],
  ]
  for (const [args, env, code, line] of cases) {
    const it = command(t, args, { env })
    t.deepEqual(await it.ended, [code, null])
    t.is(it.stdout, '')
    t.regex(it.stderr, line)
  }
})

test.serial('--help and --version need no monitor', async (t) => {
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere/x.node' }
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const [option, text] of [
    ['--help', /^Usage:\n {2}proc-events /],
    ['--version', new RegExp(`^${version}\n$`)],
  ] as const) {
    const it = command(t, [option], { env })
    t.deepEqual(await it.ended, [0, null])
    t.regex(it.stdout, text)
    t.is(it.stderr, '')
  }
  t.true(readFileSync(main, 'utf8').startsWith('#!/usr/bin/env node\n'))
})
