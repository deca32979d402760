/** The polling source without perf events on the real kernel, in pid namespaces of its own, as an ordinary user. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { MonitorOptions } from '../../dist/index.js'
import { mayRead, namespace, nobody, printed } from '../support/environments.ts'
import { Load, has } from '../support/load.ts'
import { atMost, monitoring } from '../support/helpers.ts'

const serial = test.serial
const pathOf = (path: string): string => realpathSync(fileURLToPath(new URL(path, import.meta.url)))
const program = pathOf('../support/programs/namespaced.mjs')
const crowded = pathOf('../support/programs/crowded.mjs')
const command = pathOf('../../dist/src/cli/main.js')
/** A pid namespace of its own whose /proc is still that of the namespace outside. */
const foreign = ['unshare', '-p', '-f']

interface Seen {
  readonly source: string
  readonly watching: string | null
  readonly warnings: readonly string[]
  readonly forks: number
  readonly execs: number
  readonly exits: number
  readonly codes: number
  readonly wrong: number
  readonly doubled: number
  readonly strangers: number
  readonly unseen: number
  /** The children by their arguments, and those that have ended. */
  readonly commands: number
  readonly ended: number
  readonly waited: number | string | null
  readonly waitedMs: number
  readonly deleted: boolean | string
  readonly signalled: boolean | string
}

async function watch(
  t: ExecutionContext,
  environment: readonly string[],
  options: MonitorOptions,
  count = 1,
  seconds = 0.02,
): Promise<Seen> {
  const args = [
    ...environment,
    ...sandbox(t),
    process.execPath,
    program,
    JSON.stringify(options),
    `${count}`,
    `${seconds}`,
  ]
  const seen = (await printed(t, args, 60_000)) as Seen
  t.is(seen.doubled, 0, 'a process has one exit')
  t.is(seen.wrong, 0, 'an exit code is right or unknown')
  return seen
}

/** Returns true if exit codes are known that the parent is faster to reap. Before Linux 6.15 they are not. */
function knowsCodes(t: ExecutionContext): boolean {
  return theLoad().hasFeature(t, 'reaped-code')
}

let load: Load | undefined
test.after.always(() => load?.remove())

function theLoad(): Load {
  load ??= new Load('pe-polling')
  chmodSync(dirname(load.path), 0o755)
  return load
}

/** Returns a command that runs another one in a sandbox that refuses perf events. */
function sandbox(t: ExecutionContext): readonly string[] {
  return has(t, 'cc') ? [theLoad().path, 'refuse-perf'] : []
}

/** Returns true if user nobody can read the package, and the tools are there. */
function canRun(t: ExecutionContext): boolean {
  return has(t, 'unshare', 'setpriv', 'cc') && mayRead(t, nobody, program)
}

serial('an ordinary user sees short-lived processes in a pid namespace, with their exit codes', async (t) => {
  if (!canRun(t)) return
  const seen = await watch(t, [...namespace, ...nobody], { source: 'polling' }, 50, 0.005)
  t.deepEqual([seen.source, seen.watching, seen.warnings], ['polling', 'cursor', []])
  // On a quiet machine these are 50.
  t.true(seen.forks >= 40 && seen.execs >= 40 && seen.exits >= 40)
  if (knowsCodes(t)) t.true(seen.codes >= 40, `${seen.codes} exit codes`)
})

serial('waitForExit() and findDeletedProcesses() work at once with the polling source', async (t) => {
  if (!canRun(t)) return
  const { waited, waitedMs, deleted } = await watch(t, [...namespace, ...nobody], { source: 'polling' })
  t.true(deleted)
  t.true(waited === 9 || (waited === null && !knowsCodes(t)), `${waited}`)
  t.true(waitedMs < atMost(200), `${waitedMs} ms after the parent`)
})

serial('without free descriptors, snapshots show processes and waitForExit() still works', async (t) => {
  if (!canRun(t)) return
  // A limit of descriptors that leaves none for pidfds.
  const limited = [...namespace, 'sh', '-c', 'ulimit -n 60 && exec "$@"', 'sh', ...nobody]
  const { execs, waited } = await watch(t, limited, { source: 'polling', pollingInterval: 20 }, 3, 1)
  t.is(execs, 3)
  t.true(waited === 9 || (waited === null && !knowsCodes(t)), `${waited}`)
})

serial('watched processes take no descriptor of the program, and the reported ones are soon those of /proc', (t) => {
  if (!canRun(t)) return
  const args = [
    ...namespace,
    ...nobody,
    ...sandbox(t),
    process.execPath,
    crowded,
    JSON.stringify({ source: 'polling' }),
    '300',
  ]
  const { status, stdout, stderr } = spawnSync(args[0]!, args.slice(1), { encoding: 'utf8', timeout: atMost(60_000) })
  t.is(status, 0, stderr)
  t.log(stdout.trim())
  const { before, after, tracked, watching, tookMs } = JSON.parse(stdout) as Record<string, number | string>
  t.is(watching, 'cursor')
  t.true(Number(tracked) >= 300)
  // More descriptors would make each fork of the program dearer.
  t.true(Number(after) - Number(before) < 32, `${before} before, ${after} after`)
  t.true(Number(tookMs) < atMost(1000))
})

serial(
  'in the /proc of another pid namespace, calls that need own pids are refused, and a warning says so',
  async (t) => {
    if (!canRun(t)) return
    const seen = await watch(t, foreign, { source: 'auto', pollingInterval: 20 })
    t.deepEqual(
      [seen.source, seen.watching, seen.warnings],
      ['polling', 'cursor', ['ERR_PID_NAMESPACE', 'ERR_PROC_NAMESPACE']],
    )
    const { waited, deleted, signalled } = seen
    t.deepEqual([waited, deleted, signalled], ['ERR_PROC_NAMESPACE', 'ERR_PROC_NAMESPACE', 'ERR_PROC_NAMESPACE'])
  },
)

serial('in the /proc of another pid namespace, processes that live for milliseconds are noticed', async (t) => {
  if (!canRun(t)) return
  const { commands, ended } = await watch(t, foreign, { source: 'auto' }, 100, 0.01)
  t.true(commands >= 50, `${commands} of 100`)
  t.true(ended >= commands - 2, `${ended} of ${commands} exits`)
})

serial('doctor says what it saw in the /proc of another pid namespace, and how to see more', (t) => {
  if (!canRun(t)) return
  // `true` may end between two lists of pids.
  const folder = mkdtempSync(join(tmpdir(), 'pe-doctor-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'true'), '#!/bin/sh\nsleep 0.05\n', { mode: 0o755 })
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` }
  const [unshare, ...rest] = [...foreign, process.execPath, command, 'doctor', '--json']
  const { stdout } = spawnSync(unshare!, rest, { encoding: 'utf8', timeout: atMost(30_000), env })
  const { checks } = JSON.parse(stdout) as { checks: { name: string; detail: string; advice: string | null }[] }
  const { detail, advice } = checks.find(({ name }) => name === 'polling')!
  const [, execs, exits] =
    /of 20 processes started, (\d+) execs and (\d+) exits were seen by looks at/.exec(detail) ?? []
  t.true(Number(execs) >= 10 && Number(exits) >= 10, detail)
  t.regex(advice!, /HOST_PROC/)
})

serial('run and wait refuse the /proc of another pid namespace', (t) => {
  if (!canRun(t)) return
  for (const args of [
    ['run', '--source', 'auto', 'true'],
    ['wait', '--source', 'auto', '1'],
  ]) {
    const [unshare, ...rest] = [...foreign, process.execPath, command, ...args]
    const { status, stderr } = spawnSync(unshare!, rest, { encoding: 'utf8', timeout: atMost(20_000) })
    t.is(status, 3, stderr)
    t.regex(stderr, /ERR_PROC_NAMESPACE: .*another pid namespace/)
  }
})

serial("with hidepid 'auto' watches one's own processes, and a warning says that others are missing", async (t) => {
  if (!canRun(t)) return
  const hidden = [
    ...foreign,
    'unshare',
    '-m',
    'sh',
    '-c',
    'mount -t proc -o hidepid=2 proc /proc; "$@"; exit $?',
    'sh',
    ...nobody,
  ]
  const { source, watching, warnings, execs, codes } = await watch(t, hidden, { source: 'auto' }, 10)
  t.deepEqual([source, watching, warnings], ['polling', 'cursor', ['ERR_PID_NAMESPACE', 'ERR_PROC_UNREADABLE']])
  t.true(execs >= 8)
  if (knowsCodes(t)) t.true(codes >= 8, `${codes} exit codes`)
})

serial('a listener outside does not make processes of another pid namespace appear', async (t) => {
  if (!canRun(t)) return
  // As in WSL2, the network namespace is shared, so that the datagrams for another listener arrive, too.
  await monitoring(async () => {
    const noise = setInterval(() => spawn('/bin/true', { stdio: 'ignore' }), 5)
    try {
      for (const source of ['auto', 'polling'] as const) {
        const { execs, strangers, watching } = await watch(t, namespace, { source }, 10)
        t.deepEqual([watching, strangers], ['cursor', 0])
        t.true(execs >= 8)
      }
    } finally {
      clearInterval(noise)
    }
  })
})
