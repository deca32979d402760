/** Monitoring beside a process whose files in /proc cannot be read. All other processes are reported as usual. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { MonitorOptions } from '../../dist/index.js'
import { type Hang, HungProcess } from '../support/hung.ts'
import { skipped } from '../support/load.ts'
import { lines } from '../support/helpers.ts'

const serial = test.serial
const program = fileURLToPath(new URL('../support/programs/beside.mjs', import.meta.url))

/** A program that takes longer is blocked. */
const LIMIT_MS = 20_000

/** Returns true if a process can be made to hang here. Otherwise the test passes and logs the reason. */
function canHang(t: ExecutionContext): boolean {
  const missing = HungProcess.missing()
  return missing === undefined || skipped(t, missing)
}

async function beside(t: ExecutionContext, hang: Hang, use: (hung: HungProcess) => Promise<void>): Promise<void> {
  if (!canHang(t)) return
  const hung = await HungProcess.start(hang)
  try {
    await use(hung)
  } finally {
    await hung.release()
  }
}

/** A run of `programs/beside.mjs`. */
class Beside {
  readonly child: ChildProcess
  readonly #lines: AsyncIterableIterator<string>

  constructor(thing: string, hungPid: number, options: MonitorOptions = {}) {
    const args = [program, thing, String(hungPid), JSON.stringify(options)]
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    this.child = spawn(process.execPath, args, { stdio: [...stdio], timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    this.#lines = lines(this.child)
  }

  async line(): Promise<string | undefined> {
    const { value } = (await this.#lines.next()) as { value?: string }
    return value
  }

  /** Resolves with the exit code or signal of the program, and its last line. */
  async end(): Promise<{ code: unknown; result: unknown }> {
    const closed = once(this.child, 'close')
    const line = await this.line()
    const [code, signal] = (await closed) as [number | null, string | null]
    return { code: code ?? signal, result: line === undefined ? undefined : JSON.parse(line) }
  }
}

const CAT = ['/bin/cat', '-u']

for (const priority of ['ordinary', 'auto'] as const) {
  serial(`initialize() resolves, live events flow, and the read is counted (${priority})`, async (t) => {
    await beside(t, 'memory', async ({ pid }) => {
      const { code, result } = await new Beside('initialize', pid, { priority }).end()
      t.is(code, 0)
      const { hung, live, timeouts } = result as { hung: Record<string, unknown>; live: unknown; timeouts: number }
      t.deepEqual([hung.origin, hung.argv, live], ['bootstrap', null, CAT])
      t.regex(String(hung.exe), /\/hung$/)
      t.true(timeouts >= 1)
    })
  })

  serial(`a process that execs and hangs while the monitor is stopped does not blind it (${priority})`, async (t) => {
    if (!canHang(t)) return
    const run = new Beside('blind', 0, { priority })
    t.is(await run.line(), 'ready')
    run.child.kill('SIGSTOP')
    const hung = await HungProcess.start()
    try {
      run.child.kill('SIGCONT')
      run.child.stdin!.write(`${hung.pid}\n`)
      const { code, result } = await run.end()
      t.is(code, 0)
      const { reported, live, timeouts } = result as { reported: unknown; live: unknown; timeouts: number }
      t.deepEqual({ reported, live }, { reported: ['kernel', null], live: [CAT, CAT] })
      t.true(timeouts >= 1)
    } finally {
      await hung.release()
    }
  })
}

for (const [thing, title, options, expected] of [
  ['stop', 'stop() resolves during the scan', {}, undefined],
  ['terminate', 'a worker thread that monitors can be terminated', {}, 'terminated'],
  ['unref', 'a program with an unref’d monitor ends by itself', {}, 'nothing is left to do'],
  [
    'loss',
    'a loss is reported and recovered',
    { receiveBufferSize: 1 },
    { cause: 'socket', isCounted: true, live: CAT, resyncs: true },
  ],
] as const) {
  serial(title, async (t) => {
    await beside(t, 'memory', async ({ pid }) => {
      const { code, result } = await new Beside(thing, pid, options).end()
      t.is(code, 0)
      if (expected === undefined) t.is((result as { source: unknown }).source, null)
      else t.deepEqual(result, expected)
    })
  })
}

serial('a late subscription with new details and replay gets events', async (t) => {
  await beside(t, 'memory', async ({ pid }) => {
    const { code, result } = await new Beside('late', pid).end()
    t.is(code, 0)
    const { hung, own, live } = result as { hung: Record<string, unknown>; own: unknown; live: unknown }
    t.deepEqual([hung.origin, hung.argv, own, live], ['bootstrap', null, ['bootstrap', 'late'], CAT])
  })
})

serial('process.exit() ends the program during the scan', async (t) => {
  await beside(t, 'memory', async ({ pid }) => {
    t.deepEqual(await new Beside('exit', pid).end(), { code: 3, result: 'exits' })
  })
})

serial('findDeletedProcesses() returns, and waitForExit() resolves when the process exits', async (t) => {
  await beside(t, 'memory', async (hung) => {
    const run = new Beside('waits', hung.pid)
    t.is(await run.line(), 'waits')
    const ended = run.end()
    await hung.release()
    const expected = { deleted: [4_194_303], isIt: true, signal: 'SIGKILL', isDeleted: true }
    t.deepEqual(await ended, { code: 0, result: expected })
  })
})

serial('stuck threads end after the process exits', async (t) => {
  await beside(t, 'memory', async (hung) => {
    const run = new Beside('stuck', hung.pid)
    t.is(await run.line(), 'stuck')
    const ended = run.end()
    await hung.release()
    t.deepEqual(await ended, { code: 0, result: { areHere: true, areCounted: true, isWatched: true } })
  })
})

serial('links into an unresponsive file system are read', async (t) => {
  await beside(t, 'links', async ({ pid, mount }) => {
    const { code, result } = await new Beside('initialize', pid).end()
    t.is(code, 0)
    const { hung, live } = result as { hung: unknown; live: unknown }
    const argv = ['hung', '--stay-inside', mount]
    t.deepEqual({ hung, live }, { hung: { origin: 'bootstrap', argv, exe: `${mount}/program`, cwd: mount }, live: CAT })
  })
})
