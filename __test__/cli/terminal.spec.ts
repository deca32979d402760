/** The `proc-events` command on a pseudo-terminal. */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type Command, command, onTerminal, program, run, watching } from '../support/cli-harness.ts'
import { widthOf } from '../../dist/src/cli/output/text.js'
import { has } from '../support/load.ts'
import { until } from '../support/helpers.ts'

const [ENTER, LEAVE] = ['\x1b[?1049h\x1b[?25l\x1b[?7l', '\x1b[?7h\x1b[?25h\x1b[?1049l']

test.serial('lines fit the terminal, under a header, in colours', async (t) => {
  if (!has(t, 'script')) return
  for (const columns of [70, 80, 200]) {
    const it = onTerminal(t, [], columns)
    await watching(it)
    const pid = await run(it, program(t, 'x'.repeat(40)).path, `: ${'y'.repeat(columns)}; exit 1`)
    const lines = it.stdout.split('\r\n')
    t.true(lines[0]!.startsWith('\x1b[1mTIME ') && lines[0]!.endsWith(' COMMAND\x1b[22m'))
    const at = stripVTControlCharacters(lines[0]!).indexOf('COMMAND')
    for (const line of it.of(pid)) {
      t.true(line.includes('\x1b['))
      const text = stripVTControlCharacters(line).trimEnd()
      t.is(text.length, columns)
      t.true(text.endsWith('…'))
      t.is(text.indexOf('/tmp/'), at)
    }
    it.child.stdin!.write('\x03')
    await it.ended
    t.regex(it.stdout, /\d+ execs? and \d+ exits? in .* 0 events lost\r\n/)
    // The header appears once, and no line is wider than the terminal.
    t.is(it.stdout.match(/events lost/g)?.length, 1)
    for (const line of it.stdout.replace('^C', '').split(/\r+\n?/))
      t.true(widthOf(stripVTControlCharacters(line)) <= columns, line)
  }
})

/** Returns the screen of a terminal, where new lines overwrite the old ones. */
function screen(output: string): string[] {
  const frames = output.split('\x1b[H')
  return (frames.at(-1) ?? '').split('\r\n').map((line) => stripVTControlCharacters(line))
}

/** Returns the pid of the command that runs on the terminal. */
function inside(it: Command): number {
  const child = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  return child(it.child.pid!)
}

async function showing(it: Command, path: string, name: string): Promise<void> {
  await until('it is shown', () => {
    spawn(path, ['-c', ':'], { stdio: 'ignore' })
    return screen(it.stdout).some((line) => line.startsWith(name))
  })
}

const ways: readonly [string, (t: ExecutionContext, it: Command) => void][] = [
  ['q', (_t, it) => it.child.stdin!.write('q')],
  ['Ctrl-C', (_t, it) => it.child.stdin!.write('\x03')],
  ['SIGTERM', (_t, it) => process.kill(inside(it), 'SIGTERM')],
  ['SIGHUP', (_t, it) => process.kill(inside(it), 'SIGHUP')],
]
for (const [way, leave] of ways) {
  test.serial(`--top uses the alternate screen and restores the old one on ${way}`, async (t) => {
    if (!has(t, 'script')) return
    const it = onTerminal(t, ['--top', '--interval', '0.05'], 80)
    const { name, path } = program(t)
    await showing(it, path, name)
    leave(t, it)
    t.deepEqual(await it.ended, [0, null])
    t.true(it.stdout.startsWith(ENTER))
    const [drawn, after] = it.stdout.split(LEAVE)
    // The screen is cleared once, on entering.
    t.is(drawn!.split('\x1b[2J').length, 2)
    t.regex(after!, /^\r?\d+ execs? and /)
  })
}

test.serial('--top follows the size of the terminal down to the smallest', async (t) => {
  if (!has(t, 'script')) return
  const it = onTerminal(t, ['--top', '--interval', '0.05'], 80)
  const { name, path } = program(t)
  await showing(it, path, name)
  const tty = readlinkSync(`/proc/${inside(it)}/fd/1`)
  const shrink = async (columns: number, rows: number) => {
    execFileSync('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)])
    await until(`it fits ${columns} columns and ${rows} rows`, () => {
      const lines = screen(it.stdout)
      return lines.length <= rows && lines.every((line) => line.length <= columns) && lines[0]!.length > 0
    })
  }
  for (const [columns, rows] of [
    [40, 5],
    [10, 2],
    [1, 1],
    [200, 50],
  ] as const) {
    await shrink(columns, rows)
    // A line that fills its row must not erase to its end, because the cursor is on the last character.
    const full = it.stdout.split('\r\n').filter((line) => widthOf(stripVTControlCharacters(line)) === columns)
    for (const line of full) t.false(line.endsWith('\x1b[K'), line)
  }
  await until('there is room again', () => screen(it.stdout)[0]!.includes(' lost'))
  it.child.stdin!.write('q')
  t.deepEqual(await it.ended, [0, null])
})

test.serial('--top without a terminal writes one screen after the other', async (t) => {
  const { name, path } = program(t)
  for (const json of [false, true]) {
    const it = command(t, ['--top', '--interval', '0.05', ...(json ? ['--json'] : [])])
    await until('it is shown', () => {
      spawn(path, ['-c', ':'], { stdio: 'ignore' })
      return it.stdout.includes(name)
    })
    it.child.kill('SIGINT')
    t.deepEqual(await it.ended, [0, null])
    t.false(it.stdout.includes('\x1b'))
    if (json) for (const line of it.stdout.trimEnd().split('\n')) t.is(JSON.parse(line).type, 'top')
  }
})

test.serial('Ctrl-C reaches the command that is run once', async (t) => {
  if (!has(t, 'script')) return
  const script = `'trap "echo caught" INT; echo ready; n=0; while [ $n -lt 2 ]; do read x; n=$((n+1)); done; exit 5'`
  const it = onTerminal(t, ['run', '--', 'sh', '-c', script], 80)
  await until('it is ready', () => it.stdout.includes('ready'))
  it.child.stdin!.write('\x03')
  await until('it has caught the signal', () => it.stdout.includes('caught'))
  it.child.stdin!.write('\n\n\n')
  t.deepEqual(await it.ended, [5, null])
  t.is(it.stdout.match(/caught\r\n/g)?.length, 1)
  t.regex(it.stdout, /1 process, 1 failed, 0 events lost/)
})
