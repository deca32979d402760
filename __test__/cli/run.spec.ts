/** `proc-events run` and `wait` on real processes. Their reports must equal what the processes note themselves. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { command, ended, isListening } from '../support/cli-harness.ts'
import { has } from '../support/load.ts'
import { temporaryFolder, until } from '../support/helpers.ts'

interface Reported {
  pid: number
  ppid: number
  depth: number
  durationNs: number | null
  running: boolean
  exitCode: number | null
  signal: string | null
  execs: { argv: string[] | null; name: string | null }[]
}

/** Each process except the last two notes its pid, its parent's pid, and its exit code or signal. */
const script = `
say() { echo "$1 $2 $3" >> "$LOG"; }
say $$ $PPID 5
( say $BASHPID $$ 3; exit 3 )
( say $BASHPID $$ SIGKILL; kill -KILL $BASHPID )
sh -c 'echo "$$ $PPID 7" >> $LOG; exit 7'
sh -c 'echo "$$ $PPID 0" >> $LOG; sh -c "echo \\$\\$ \\$PPID SIGTERM >> $LOG; kill \\$\\$"; exit 0'
sh -c 'echo "$$ $PPID 1" >> $LOG; echo x; exit 1' | sh -c 'echo "$$ $PPID 0" >> $LOG; while read x; do :; done; exit 0'
for code in 11 12 13 14 15 16 17 18 19 20; do
  sh -c 'echo "$$ $PPID '$code'" >> $LOG; exit '$code &
done
wait
sh -c 'echo "$$ $PPID 2" >> $LOG; exec sh -c "exit 2"'
# One whose parent is gone before it is.
( ( say $BASHPID - 4; exec sh -c 'while [ ! -e $LOG.go ]; do :; done; : > $LOG.gone; exit 4' ) & )
: > $LOG.go
while [ ! -e $LOG.gone ]; do :; done
exit 5
`

test.serial('run reports every process with its parent and its exit', async (t) => {
  if (!has(t, 'bash')) return
  const place = temporaryFolder(t)
  const [log, file, output] = [join(place, 'log'), join(place, 'script'), join(place, 'report')]
  writeFileSync(file, script)
  const it = command(t, ['run', '--json', '--output', output, '--', 'bash', file], { env: { LOG: log } })
  t.deepEqual(await it.ended, [5, null])
  t.is(it.stdout, '')
  const report = JSON.parse(readFileSync(output, 'utf8'))
  t.like(report, { type: 'run', command: ['bash', file], exitCode: 5, signal: null, unlisted: 0, lost: 0 })
  const processes = report.processes as Reported[]
  const byPid = new Map(processes.map((one) => [String(one.pid), one]))
  t.is(byPid.size, processes.length)
  const said = readFileSync(log, 'utf8').trim().split('\n')
  for (const words of said) {
    const [pid, ppid, end] = words.split(' ') as [string, string, string]
    const one = byPid.get(pid)
    t.truthy(one, words)
    t.is(one!.signal ?? String(one!.exitCode), end, words)
    if (ppid !== '-') t.is(String(one!.ppid), ppid, words)
    t.false(one!.running)
    t.true(one!.durationNs! > 0)
  }
  // One more process only starts another.
  t.is(processes.length, said.length + 1)
  t.is(processes[0]!.pid, Number(said[0]!.split(' ')[0]))
  t.is(processes[0]!.ppid, it.child.pid!)
  t.true(processes.every(({ depth }, index) => depth > 0 === index > 0))
  t.is(processes.filter(({ execs }) => execs.length === 2).length, 1)
})

test.serial('run exits like its command and passes standard input and output through', async (t) => {
  const cases: [string[], number][] = [
    [['sh', '-c', 'exit 0'], 0],
    [['sh', '-c', 'exit 9'], 9],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'kill -KILL $$'], 137],
  ]
  for (const [args, code] of cases) {
    const it = command(t, ['run', '--', ...args])
    t.deepEqual(await it.ended, [code, null])
    t.regex(
      it.stderr,
      /^STATUS {9}START LIFETIME( {6}CPU {3}MEMORY)? {5}PID {2}COMMAND\n.* 0\.000s .* sh -c '.*'\n1 process, [01] failed, \d+ events? lost\n$/m,
    )
  }
  const cat = command(t, ['run', 'cat'])
  cat.child.stdin!.end('through')
  t.deepEqual(await cat.ended, [0, null])
  t.is(cat.stdout, 'through')
})

test.serial('run and wait exit with 128+n for a real-time signal and name it', async (t) => {
  for (const [number, name] of [
    [34, 'SIGRTMIN+0'],
    [40, 'SIGRTMIN+6'],
    [64, 'SIGRTMIN+30'],
  ] as const) {
    const it = command(t, ['run', '--json', '--', 'bash', '-c', `kill -${number} $$`])
    t.deepEqual(await it.ended, [128 + number, null])
    const { exitCode, signal, processes } = JSON.parse(it.stderr) as Reported & { processes: Reported[] }
    t.deepEqual([exitCode, signal, processes[0]!.exitCode, processes[0]!.signal], [null, name, null, name])

    const child = spawn('bash', ['-c', `read line; kill -${number} $$`], { stdio: ['pipe', 'ignore', 'ignore'] })
    const gone = ended(child)
    const waiting = command(t, ['wait', '--json', String(child.pid)])
    await until('it waits', () => isListening(waiting.child.pid!))
    child.stdin.end('\n')
    await gone
    t.deepEqual(await waiting.ended, [128 + number, null], waiting.stdout + waiting.stderr)
    t.is((JSON.parse(waiting.stdout) as Reported).signal, name)
  }
})

test.serial('run reports a command that cannot be run', async (t) => {
  const place = temporaryFolder(t)
  writeFileSync(join(place, 'text'), '')
  const cases: [string, number, RegExp][] = [
    [join(place, 'nothing'), 127, /^proc-events: .*nothing: command not found$/m],
    [join(place, 'text'), 126, /^proc-events: .*text: cannot be run \(EACCES\)$/m],
    [join(place, 'text', 'below'), 126, /^proc-events: .*below: cannot be run \(ENOTDIR\)$/m],
    ['x'.repeat(256), 126, /^proc-events: x*: cannot be run \(ENAMETOOLONG\)$/m],
    ['', 127, /^proc-events: : command not found$/m],
  ]
  for (const [program, code, message] of cases) {
    const it = command(t, ['run', program])
    t.deepEqual(await it.ended, [code, null])
    t.regex(it.stderr, message)
  }
  const begun = join(place, 'begun')
  const unwritable = command(t, ['run', '--output', place, '--', 'touch', begun])
  t.deepEqual(await unwritable.ended, [1, null])
  t.regex(unwritable.stderr, /^proc-events: EISDIR: /)
  t.false(existsSync(begun), 'a report that cannot be written is reported before the command runs')
  const unsupported = command(t, ['run', 'true'], { env: { HOST_PROC: '/nowhere' } })
  t.deepEqual(await unsupported.ended, [3, null])
})

test.serial('run passes signals on to its command', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const place = temporaryFolder(t)
    const ready = join(place, 'ready')
    const trap = `trap 'exit 6' ${signal.slice(3)}; : > ${ready}; while read x; do :; done`
    // Detached from the terminal, because a terminal would send the signal to the command itself.
    const it = command(t, ['run', '--', 'sh', '-c', trap], { detached: true })
    await until('the command has begun', () => existsSync(ready))
    it.child.kill(signal)
    let over = false
    const outcome = it.ended.finally(() => (over = true))
    // A shell handles the signal only after its read returns.
    it.child.stdin!.on('error', () => {})
    await until('it has exited', () => {
      it.child.stdin!.write('\n')
      return over
    })
    t.deepEqual(await outcome, [6, null], signal)
  }
})

test.serial('run reports processes that are still running', async (t) => {
  const it = command(t, ['run', '--json', '--', 'sh', '-c', 'sleep 1000 > /dev/null 2>&1 < /dev/null & exit 0'])
  t.deepEqual(await it.ended, [0, null])
  const { running, processes } = JSON.parse(it.stderr) as { running: number; processes: Reported[] }
  t.is(running, 1)
  const one = processes.find((reported) => reported.running)
  process.kill(one!.pid, 'SIGKILL')
  t.deepEqual([one!.exitCode, one!.signal, one!.durationNs], [null, null, null])
})

test.serial('no text of the command reaches the report or an error unescaped', async (t) => {
  const hostile = 'a\u009b31m\u202e\x7f\x1b[2J\n'
  for (const args of [['--json'], []]) {
    const it = command(t, ['run', ...args, '--', 'sh', '-c', ':', hostile])
    t.deepEqual(await it.ended, [0, null])
    for (const line of it.stderr.split('\n')) t.notRegex(line, /[\p{Cc}\p{Cf}]/u)
    if (args.length > 0) t.is(JSON.parse(it.stderr).command[3], hostile)
  }
  for (const args of [['run', `/nowhere/${hostile}`], [hostile], ['--user', hostile], ['--replay', `/${hostile}`]]) {
    const it = command(t, args)
    await it.ended
    t.true(it.stderr.includes('31m'))
    for (const line of it.stderr.split('\n')) t.notRegex(line, /[\p{Cc}\p{Cf}]/u)
  }
  const it = command(t, ['doctor'], { env: { HOST_PROC: `/${hostile}` } })
  await it.ended
  t.true(it.stdout.includes('31m'))
  for (const line of it.stdout.split('\n')) t.notRegex(line, /[\p{Cc}\p{Cf}]/u)
})

test.serial('run hides arguments with --redact and --no-args', async (t) => {
  const report = async (option: string) => {
    const it = command(t, ['run', '--json', option, '--', 'env', 'A_TOKEN=geheim', 'true'])
    t.deepEqual(await it.ended, [0, null])
    t.false(it.stderr.includes('geheim'))
    return JSON.parse(it.stderr)
  }
  t.deepEqual((await report('--redact')).command, ['env', 'A_TOKEN=[redacted]', 'true'])
  const hidden = await report('--no-args')
  t.deepEqual(hidden.command, ['env'])
  t.is(hidden.processes[0].execs[0].argv, null)
})

test.serial('wait exits after the last process, like the last one that failed', async (t) => {
  const sleeper = (last: string) => spawn('sh', ['-c', `read line; ${last}`], { stdio: ['pipe', 'ignore', 'ignore'] })
  const cases: [string[], number][] = [
    [['exit 0', 'exit 0'], 0],
    [['exit 7', 'exit 0'], 7],
    [['exit 7', 'kill -TERM $$'], 143],
  ]
  for (const [lasts, code] of cases) {
    const children = lasts.map(sleeper)
    const it = command(t, ['wait', ...children.map(({ pid }) => String(pid))])
    await until('it waits', () => isListening(it.child.pid!))
    for (const child of children) {
      const gone = ended(child)
      child.stdin.end('\n')
      await gone
      await until('the exit is printed', () => it.of(child.pid!).length === 1)
    }
    t.deepEqual(await it.ended, [code, null])
    t.true(it.of(children[0]!.pid!)[0]!.includes(`sh -c 'read line; ${lasts[0]}'`))
  }
})

test.serial('wait reports an unknown pid, a timeout and an interrupt by exit code', async (t) => {
  const late = command(t, ['wait', '4194304'])
  t.deepEqual(await late.ended, [1, null])
  t.regex(
    late.stderr,
    /^proc-events: 4194304: ERR_NO_SUCH_PROCESS: no such process is running\. Start wait before the process exits\.\n$/,
  )
  const pid = String(process.pid)
  const timed = command(t, ['wait', '--json', pid, '--duration', '0.1'])
  t.deepEqual(await timed.ended, [124, null])
  t.is(timed.stderr, 'proc-events: 1 of 1 still running\n')
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const interrupted = command(t, ['wait', pid])
    await until('it waits', () => isListening(interrupted.child.pid!))
    interrupted.child.kill(signal)
    t.deepEqual(await interrupted.ended, [code, null])
  }
})

test.serial('run sorts by lifetime and counts the processes below --min-duration', async (t) => {
  const script = 'sleep 0.5 & (sleep 0.8; true) & true & sh -c "true; true"; wait'
  const report = async (...args: string[]): Promise<string> => {
    const it = command(t, ['run', ...args, '--', 'bash', '-c', script])
    t.deepEqual(await it.ended, [0, null])
    return it.stderr
  }
  const { processes, hidden } = JSON.parse(await report('--json', '--sort', 'life', '--min-duration', '400ms')) as {
    hidden: number
    processes: (Reported & { offsetNs: number; timestampNs: number })[]
  }
  t.deepEqual(
    processes.map(({ depth, execs }) => [depth, execs[0]?.argv?.slice(0, 2).join(' ')]),
    [
      [0, 'bash -c'],
      [1, undefined],
      [2, 'sleep 0.8'],
      [1, 'sleep 0.5'],
    ],
  )
  t.true(hidden >= 2)
  for (const { offsetNs, timestampNs } of processes) t.is(offsetNs, timestampNs - processes[0]!.timestampNs)
  t.regex(await report('--min-duration', '0.4'), /^not shown: \d+ processes with a lifetime below 400\.0ms$/m)
})

test.serial('the doctor reports each check', async (t) => {
  const it = command(t, ['doctor', '--json'])
  t.deepEqual(await it.ended, [0, null])
  const { type, ok, checks } = JSON.parse(it.stdout)
  t.deepEqual([type, ok], ['doctor', true])
  for (const name of ['system', 'live events', 'polling', 'permissions', 'priority', 'buffer', 'self-test']) {
    t.truthy(
      checks.find((check: { name: string }) => check.name === name),
      name,
    )
  }
  const text = command(t, ['doctor'])
  await text.ended
  t.regex(text.stdout, /^ok {6}self-test {4}of 20 processes started, 20 execs and 20 exits were reported/m)
  const elsewhere = command(t, ['doctor'], { env: { HOST_PROC: '/nowhere' } })
  t.deepEqual(await elsewhere.ended, [3, null])
  t.regex(elsewhere.stdout, /^failed {2}polling {6}\/nowhere cannot be read$/m)
})
