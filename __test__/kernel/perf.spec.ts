/** Perf task events on the real kernel, in a pid namespace, as root and as an ordinary user. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, realpathSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { MonitorOptions } from '../../dist/index.js'
import { compiled } from '../support/costs.ts'
import { namespace, nobody, printed } from '../support/environments.ts'
import { atMost, lines } from '../support/helpers.ts'
import { Load, has, skipped } from '../support/load.ts'

const serial = test.serial
const program = realpathSync(fileURLToPath(new URL('../support/programs/recorded.mjs', import.meta.url)))
const lossy = realpathSync(fileURLToPath(new URL('../support/programs/lossy.mjs', import.meta.url)))
const unperf = fileURLToPath(new URL('../support/unperf.c', import.meta.url))
const COUNT = 200
/** So many processes fill the rings of all CPUs. */
const FULL = 4000 * cpus().length

interface Seen {
  readonly source: string
  readonly opened: string | null
  readonly watching: string | null
  readonly warnings: readonly string[]
  readonly losses: number
  readonly forks: number
  readonly execs: number
  readonly named: number
  readonly paths: number
  readonly argv: number
  readonly exits: number
  readonly codes: number
  readonly wrong: number
  readonly kernel: number
  readonly ordered: number
}

interface Lossy {
  readonly watching: string | null
  readonly lost: number
  readonly lostSocket: number
  readonly warnings: readonly string[]
  readonly running: readonly number[]
  readonly exited: readonly number[]
}

/** Runs a program repeatedly in an environment, and returns what was seen of it. */
async function run(
  t: ExecutionContext,
  environment: readonly string[],
  code: number,
  command: readonly string[],
  options: MonitorOptions = { source: 'polling' },
): Promise<Seen> {
  const args = [...environment, process.execPath, program, JSON.stringify(options), `${COUNT}`, `${code}`, ...command]
  return (await printed(t, args, 60_000)) as Seen
}

/** Returns true if perf events can be had, as the program of the first run shows. */
function isRecorded(t: ExecutionContext, { opened }: Seen): boolean {
  return opened === 'perf' || skipped(t, `perf events are refused here: watching ${opened}`)
}

function withLoad(name: string, test: (load: Load) => Promise<void>): Promise<void> {
  const load = new Load(name)
  chmodSync(dirname(load.path), 0o755)
  return test(load).finally(() => load.remove())
}

for (const [user, by] of [
  ['root', []],
  ['an ordinary user', nobody],
] as const) {
  serial(`${user} sees each short process from its fork to its exit, with the kernel's times`, async (t) => {
    if (!has(t, 'unshare', 'setpriv', 'cc')) return
    const environment = [...namespace, ...by]
    const shell = await run(t, environment, 5, ['/bin/sh', '-c', 'exit 5'])
    if (!isRecorded(t, shell)) return
    await withLoad('pe-perf', async (load) => {
      const knowsCodes = load.hasFeature(t, 'reaped-code')
      const shortest = await run(t, environment, load.code, [load.shortest])
      const dynamic = await run(t, environment, 0, ['/bin/true'])
      for (const seen of [shell, shortest, dynamic]) {
        const { source, watching, warnings, losses, forks, execs, named, exits, wrong, kernel, ordered } = seen
        t.deepEqual(
          { source, watching, warnings, losses },
          { source: 'polling', watching: 'perf', warnings: [], losses: 0 },
        )
        t.deepEqual([forks, execs, named, exits, kernel, ordered], Array(6).fill(COUNT))
        t.is(wrong, 0, 'an exit code is right or unknown')
        // A pidfd must be opened before the parent has reaped the process. On a quiet machine it is.
        if (knowsCodes) t.true(seen.codes >= COUNT * 0.5, `${seen.codes} exit codes`)
      }
      // A record shows the path of a program that is gone.
      t.true(shortest.paths >= COUNT * 0.95, `${shortest.paths} paths`)
    })
  })
}

/** A program that monitors with the polling source, see `programs/lossy.mjs`. */
class Watcher {
  readonly #child = spawn(process.execPath, [lossy], { stdio: ['pipe', 'pipe', 'inherit'], timeout: atMost(120_000) })
  readonly #lines = lines(this.#child)
  readonly pid = this.#child.pid!

  async next(): Promise<Lossy> {
    return JSON.parse((await this.#lines.next()).value as string) as Lossy
  }

  ask(): Promise<Lossy> {
    // The kernel tells a loss before the next record of the same CPU.
    for (let n = 0; n < 8; n++) spawnSync('/bin/true')
    this.#child.stdin.write('report\n')
    return this.next()
  }

  /** Asks until the answer is right. */
  async until(isRight: (seen: Lossy) => boolean): Promise<Lossy> {
    for (;;) {
      const seen = await this.ask()
      if (isRight(seen)) return seen
    }
  }

  /** Returns the exit code and the signal. */
  async end(): Promise<unknown[]> {
    this.#child.stdin.end('\n')
    return once(this.#child, 'exit')
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

/** Runs `use` with a program that monitors by perf events. */
async function withPerf(t: ExecutionContext, use: (watcher: Watcher) => Promise<void>): Promise<void> {
  const watcher = new Watcher()
  try {
    const { watching } = await watcher.next()
    if (watching === 'perf') await use(watcher)
    else skipped(t, `perf events are refused here: watching ${watching}`)
  } finally {
    watcher.kill('SIGKILL')
  }
}

serial(
  'records that the kernel drops while the program is stopped are counted, and a snapshot repairs that',
  async (t) => {
    if (!has(t, 'cc')) return
    await withLoad('pe-lost', (load) =>
      withPerf(t, async (watcher) => {
        watcher.kill('SIGSTOP')
        const { stays } = load.stormSync({ count: FULL, stays: 5 })
        watcher.kill('SIGCONT')
        const seen = await watcher.until(({ lost, running }) => lost > 0 && stays.every((pid) => running.includes(pid)))
        t.log(`${seen.lost} records lost`)
        t.is(seen.lost, seen.lostSocket)
        t.is(seen.watching, 'perf')
        for (const pid of stays) load.end(pid)
        await watcher.until(({ exited }) => stays.every((pid) => exited.includes(pid)))
        t.deepEqual(await watcher.end(), [0, null])
      }),
    )
  },
)

serial('perf events that no longer report leave the cursor, and no process is missed', async (t) => {
  if (!has(t, 'cc')) return
  await withLoad('pe-unperf', (load) =>
    withPerf(t, async (watcher) => {
      const disabled = spawnSync(compiled(t, 'pe-unperf', unperf), [`${watcher.pid}`], { encoding: 'utf8' })
      if (disabled.status === 3) return void skipped(t, 'this kernel has no pidfds of threads')
      t.true(Number(disabled.stdout) > 0, 'there are perf events')
      const { stays } = load.stormSync({ count: 10, stays: 5 })
      await watcher.until(
        ({ watching, running }) => watching === 'cursor' && stays.every((pid) => running.includes(pid)),
      )
      const { stays: later } = load.stormSync({ count: 10, stays: 5 })
      const { warnings } = await watcher.until(({ running }) => later.every((pid) => running.includes(pid)))
      t.is(warnings.length, 1)
      t.regex(warnings[0]!, /^Polling \/proc, which may miss .* \(perf events do not report each process any more\)\.$/)
      for (const pid of [...stays, ...later]) load.end(pid)
      await watcher.until(({ exited }) => [...stays, ...later].every((pid) => exited.includes(pid)))
      t.deepEqual(await watcher.end(), [0, null])
    }),
  )
})

serial('perf events and pidfds leave descriptors for files', async (t) => {
  if (!has(t, 'unshare', 'setpriv')) return
  // The events of these processes take half of the limit. Their pidfds would take more than the rest.
  const crowd = 'ulimit -n 400; n=0; while [ $n -lt 300 ]; do sleep 60 & n=$((n+1)); done; exec "$@"'
  const seen = await run(t, [...namespace, ...nobody, 'sh', '-c', crowd, 'sh'], 0, ['/bin/sleep', '0.01'])
  if (!isRecorded(t, seen)) return
  t.deepEqual([seen.execs, seen.named, seen.exits], Array(3).fill(COUNT))
  t.true(seen.argv >= COUNT * 0.8, `${seen.argv} arguments`)
})

serial("'low' effort does without perf events, which wake the reader for each change", async (t) => {
  if (!has(t, 'unshare')) return
  const { watching } = await run(t, namespace, 0, ['/bin/sleep', '0.02'], { source: 'polling', effort: 'low' })
  t.is(watching, 'cursor')
})

serial('a sandbox that refuses perf events leaves the cursor', async (t) => {
  if (!has(t, 'unshare', 'cc')) return
  await withLoad('pe-noperf', async (load) => {
    const { watching, warnings, execs } = await run(t, [...namespace, load.path, 'refuse-perf'], 0, [
      '/bin/sleep',
      '0.01',
    ])
    t.deepEqual([watching, warnings], ['cursor', []])
    t.true(execs >= COUNT * 0.8)
  })
})
