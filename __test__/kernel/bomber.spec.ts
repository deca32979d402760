/** Monitoring beside processes with 1 MB of arguments, which any user may start. The memory for arguments is bounded. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ExecEvent, type MonitorOptions } from '../../dist/index.js'
import { command } from '../support/cli-harness.ts'
import { Load, has, skipped } from '../support/load.ts'
import { connectorSockets, copyOf, until } from '../support/helpers.ts'

const serial = test.serial
const NOBODY = 65_534
const CAPTURED_MAX = 65_536
const COUNT = 100

/** Returns true if this test may start processes of another user. Otherwise the test passes and logs the reason. */
function mayBomb(t: ExecutionContext): boolean {
  if (!has(t, 'cc')) return false
  return process.getuid!() === 0 || skipped(t, 'only root may start processes of another user')
}

/** Runs a bomber beside a monitor, and checks the events of each of its processes. Returns their exec events. */
async function bombed(t: ExecutionContext, options: MonitorOptions, program?: string): Promise<readonly ExecEvent[]> {
  const load = new Load('pe-bomb')
  const monitor = getProcessMonitor()
  const execs = new Map<number, ExecEvent[]>()
  const exits = new Map<number, number>()
  monitor.subscribeExec(
    (pid, event) => {
      if (event.origin === 'kernel') execs.set(pid, [...(execs.get(pid) ?? []), event])
    },
    { capture: ['name', 'argv', 'uid'] },
  )
  monitor.subscribeExit((pid) => exits.set(pid, (exits.get(pid) ?? 0) + 1))
  try {
    await monitor.initialize(options)
    const instances = await load.bomb({ count: COUNT, ...(program === undefined ? {} : { program }) }).done
    const pids = instances.map(({ pid }) => pid)
    t.is(pids.length, COUNT)
    const last = pids.at(-1)!
    await until('the last exit is reported', () => exits.has(last))
    t.deepEqual(
      pids.filter((pid) => execs.get(pid)?.length !== 1 || exits.get(pid) !== 1),
      [],
      'one exec, one exit each',
    )

    // A process that starts later and stays until it is reported has all its details.
    const other = spawn('/bin/cat', ['-u'], { stdio: ['pipe', 'ignore', 'ignore'] })
    await until('another process is reported', () => execs.has(other.pid!))
    other.stdin.end()
    await once(other, 'exit')
    const { name, argv, argvTruncated, uid } = execs.get(other.pid!)![0]!.process
    t.deepEqual(
      { name, argv, argvTruncated, uid },
      { name: 'cat', argv: ['/bin/cat', '-u'], argvTruncated: undefined, uid: 0 },
    )
    const { lostSocket, lostQueue } = monitor.stats()
    t.deepEqual({ lostSocket, lostQueue }, { lostSocket: 0, lostQueue: 0 })
    return pids.map((pid) => execs.get(pid)![0]!)
  } finally {
    await monitor.stop()
    load.remove()
  }
}

for (const [options, max] of [
  [{}, CAPTURED_MAX],
  [{ priority: 'ordinary' }, CAPTURED_MAX],
  [{ maxArgvBytes: 1000 }, 1000],
] as const) {
  serial(`1 MB of arguments is cut: ${JSON.stringify(options)}`, async (t) => {
    if (!mayBomb(t)) return
    const processes = (await bombed(t, options)).map((event) => event.process)
    const captured = processes.filter(({ argv }) => argv !== null && argv !== undefined)
    t.log(`the arguments of ${captured.length} of ${COUNT} were read`)
    t.true(captured.length > 0)
    for (const { argv, argvTruncated, uid } of captured) {
      // A process that ends between two reads leaves the later detail null.
      const bytes = argv!.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0)
      if (bytes > max || bytes < max - 4 || argvTruncated !== true || (uid ?? NOBODY) !== NOBODY) {
        t.deepEqual({ bytes, argvTruncated, uid }, { bytes: max, argvTruncated: true, uid: NOBODY })
      }
    }
    t.deepEqual(new Set(processes.map(({ name }) => name ?? 'true')), new Set(['true']))
  })
}

serial('a name that is completed from the arguments ends at 255 bytes', async (t) => {
  if (!mayBomb(t)) return
  const name = 'pe-bomb-whose-name-is-cut'
  const copy = copyOf('/bin/true', name)
  chmodSync(dirname(copy.path), 0o755)
  try {
    const names = (await bombed(t, {}, copy.path)).map((event) => event.process.name)
    const completed = names.filter(
      (reported) => reported !== null && reported !== name && reported !== name.slice(0, 15),
    )
    t.log(`the arguments completed ${completed.length} of ${COUNT} names`)
    t.true(completed.length > 0)
    t.deepEqual(new Set(completed), new Set([name + String.raw`\xff`.repeat(255 - name.length)]))
  } finally {
    copy.remove()
  }
})

/** Creates a cgroup with little memory, of either version. Returns undefined if no cgroup is writable. */
function smallGroup(bytes: number): { path: string; kills: () => number; peak: () => string } | undefined {
  const name = `proc-events-test-${process.pid}`
  for (const [root, limit, events, peak] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.oom_control', 'memory.max_usage_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max', 'memory.events', 'memory.peak'],
  ] as const) {
    const path = `${root}/${name}`
    try {
      mkdirSync(path)
    } catch {
      continue
    }
    if (existsSync(`${path}/${limit}`)) {
      writeFileSync(`${path}/${limit}`, String(bytes))
      const read = (file: string): string => readFileSync(`${path}/${file}`, 'utf8').trim()
      return { path, kills: () => Number(/^oom_kill (\d+)$/m.exec(read(events))?.[1]), peak: () => read(peak) }
    }
    rmdirSync(path)
  }
  return undefined
}

/** Returns the CPU time of a process, in ticks. */
function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** Resolves when a process has been nearly idle for a while, because then it has finished its work. */
async function rests(pid: number): Promise<void> {
  let since = performance.now()
  let before = ticks(pid)
  await until('the command has nothing left to do', () => {
    if (ticks(pid) - before > 1) {
      since = performance.now()
      before = ticks(pid)
    }
    return performance.now() - since > 300
  })
}

serial('the command survives three argument bombs in 256 MiB of memory', async (t) => {
  if (!mayBomb(t)) return
  const group = smallGroup(256 << 20)
  if (group === undefined) return void skipped(t, 'no memory cgroup is writable')
  const load = new Load('pe-bomb-memory')
  const within = (it: string[]): string[] => ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path, ...it]
  const run = command(t, ['--json'], { by: within, stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    await until('the command listens', () => connectorSockets(run.child.pid!).some(({ joined }) => joined))
    const bombers = Array.from({ length: 3 }, () => load.bomb({ count: COUNT }).done)
    const instances = (await Promise.all(bombers)).flat()
    t.is(instances.length, 3 * COUNT)
    t.is(run.child.exitCode ?? run.child.signalCode, null, 'the command still runs')
    // If other processes keep it busy, it has had enough time. Its own count, below, decides.
    await rests(run.child.pid!).catch(() => {})
    run.child.kill('SIGINT')
    t.deepEqual(await run.ended, [0, null])
    t.log(`at most ${(Number(group.peak()) / 2 ** 20).toFixed(0)} MiB`)
    const [, execs, lost] = /^(\d+) execs .* (\d+) events lost$/m.exec(run.stderr) ?? []
    t.true(Number(execs) >= 3 * COUNT, run.stderr)
    t.is(Number(lost), 0)
    t.is(group.kills(), 0)
  } finally {
    run.child.kill('SIGKILL')
    await run.ended
    rmdirSync(group.path)
    load.remove()
  }
})
