/** Multi-threaded processes and reused pids. Every process has one exit, when its last thread exits. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ProcessMonitor } from '../../dist/index.js'
import { mayRead, nobody } from '../support/environments.ts'
import { Load, has, isRunning, skipped } from '../support/load.ts'
import { atMost, lines, loadOf, monitoring, run, until } from '../support/helpers.ts'
import { SubscriberModel } from '../support/subscriber-model.ts'

const serial = test.serial

/** The events of one process. */
interface Observation {
  readonly events: readonly string[]
  /** True if the process still ran when its exit was reported. */
  readonly wasRunning: boolean
}

/** Starts a program. Returns its events, and the exit that its parent got. */
async function observe(
  monitor: ProcessMonitor,
  program: string,
  args: readonly string[],
): Promise<Observation & { child: [number | null, NodeJS.Signals | null]; ms: number }> {
  const seen: { pid: number; what: string; running: boolean }[] = []
  const offExec = monitor.subscribeExec((pid) => seen.push({ pid, what: 'exec', running: true }))
  const offExit = monitor.subscribeExit((pid, { exitCode, signal, origin }) => {
    seen.push({ pid, what: `exit ${exitCode ?? signal} ${origin}`, running: isRunning(pid) })
  })
  const started = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  const ms = performance.now() - started
  const own = (): typeof seen => seen.filter(({ pid }) => pid === child.pid)
  await until('its exit was delivered', () => own().some(({ what }) => what.startsWith('exit')))
  // Further events of the process would precede the exit of a later process.
  const later = spawn('/bin/true')
  await once(later, 'exit')
  await until('a later exit was delivered', () =>
    seen.some(({ pid, what }) => pid === later.pid && what.startsWith('exit')),
  )
  offExec()
  offExit()
  const wasRunning = own().some(({ what, running }) => what.startsWith('exit') && running)
  return { events: own().map(({ what }) => what), wasRunning, child: ended, ms }
}

/** Returns the path of the Python binary, because `python3` may be a wrapper script. */
async function python(): Promise<string> {
  const child = spawn('python3', ['-c', 'import sys; print(sys.executable)'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let path = ''
  child.stdout.on('data', (chunk) => (path += String(chunk)))
  await once(child, 'close')
  return path.trim()
}

serial('an exec by a non-leader thread is an exec and not an exit', async (t) => {
  if (!has(t, 'python3')) return
  const program = await python()
  await monitoring(async (monitor) => {
    const script = `
import os, threading, time
threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "sleep 0.1; exit 3"])).start()
time.sleep(60)
`
    for (let round = 0; round < 5; round++) {
      const { events, wasRunning, child } = await observe(monitor, program, ['-c', script])
      t.deepEqual({ child, events, wasRunning }, { child: [3, null], events: EXECED_TWICE, wasRunning: false })
    }
  })
})

const EXECED_TWICE = ['exec', 'exec', 'exit 3 kernel']

/** Milliseconds from the exit of the main thread to that of the last one. The reader notices the first within that time. */
const LEAVE_MS = atMost(150)

/** Starts a program whose parent never reaps it. Returns the parent, and the pid of the program. */
async function startUnreaped(program: string, args: readonly string[]): Promise<[ChildProcess, number]> {
  // The new program of the shell does not reap the child of the old one.
  const parent = spawn('/bin/sh', ['-c', '"$@" <&- >&- & echo $!; exec sleep 60', 'sh', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return [parent, Number((await lines(parent).next()).value)]
}

async function leaving(t: ExecutionContext, args: readonly string[], code: number): Promise<void> {
  if (!has(t, 'cc')) return
  const load = new Load('pe-leave')
  try {
    await monitoring(async (monitor) => {
      for (let round = 0; round < 10; round++) {
        const { events, wasRunning, child, ms } = await observe(monitor, load.path, [
          'leave',
          String(LEAVE_MS),
          ...args,
        ])
        t.true(ms >= LEAVE_MS)
        t.deepEqual(child, [code, null])
        t.deepEqual(
          { events: events.map((event) => event.replace(/ \w+$/, '')), wasRunning },
          { events: ['exec', `exit ${code}`], wasRunning: false },
        )
      }
    })
  } finally {
    load.remove()
  }
}

serial('after its leader exits, a process exits with its last thread and the code of exit()', leaving, ['5'], 5)

serial(
  'after its leader exits, a process exits with its last thread, even if that thread only ends itself',
  leaving,
  [],
  0,
)

serial("the code of exit() after the leader's exit is that of the process for another user, too", async (t) => {
  if (!has(t, 'cc', 'setpriv')) return
  const script = fileURLToPath(new URL('../support/programs/exits.mjs', import.meta.url))
  if (!mayRead(t, nobody, script)) return
  const load = new Load('pe-foreign')
  const [command, ...args] = [...nobody, process.execPath, script]
  const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const output = lines(child)
    const { value: state } = await output.next()
    if (state === 'ERR_PERMISSION') return void skipped(t, 'ordinary users need Linux 6.6')
    t.is(state, 'ready')
    for (let round = 0; round < 10; round++) {
      // The parent reaps nothing, so that neither /proc nor a pidfd shows the code to that user.
      const [parent, pid] = await startUnreaped(load.path, ['leave', String(LEAVE_MS), '5'])
      let line: string
      do line = String((await output.next()).value)
      while (!line.startsWith(`${pid} `))
      parent.kill()
      t.is(line, `${pid} 5`)
    }
  } finally {
    child.stdin.end()
    load.remove()
  }
})

serial('processes of several threads have one exit each, by exit code or signal', async (t) => {
  await monitoring(async (monitor) => {
    const workers = `const {Worker}=require("worker_threads");let n=0
      for(let i=0;i<3;i++)new Worker("setInterval(()=>{},1e6)",{eval:true}).on("online",()=>{if(++n===3)end()})`
    for (const [end, code, signal] of [
      ['process.exit(7)', 7, null],
      ['process.kill(process.pid,"SIGKILL")', null, 'SIGKILL'],
    ] as const) {
      const script = `${workers};function end(){${end}}`
      const { events, child } = await observe(monitor, process.execPath, ['-e', script])
      t.deepEqual({ child, events }, { child: [code, signal], events: ['exec', `exit ${code ?? signal} kernel`] })
    }
  })
})

serial('100,000 processes with reused pids each have one exec and then one exit', async (t) => {
  if (!has(t, 'cc')) return
  const count = loadOf(100_000)
  const load = new Load('pe-wrap')
  const monitor = getProcessMonitor()
  const model = new SubscriberModel(monitor)
  try {
    // The buffers hold every event, because this test is not about losses.
    await monitor.initialize({ receiveBufferSize: 64 << 20, queueSize: 400_000 })
    const started = performance.now()
    const storm = await load.storm({ count }).done
    t.log(`${count} processes in ${((performance.now() - started) / 1000).toFixed(1)} s`)
    t.is(storm.instances.length, count)
    const pids = new Set(storm.instances.map(({ pid }) => pid))
    t.log(`${pids.size} pids`)
    t.true(pids.size < count)
    const later = await run('/bin/true')
    await until('a later exit was delivered', () => model.history.get(later)?.at(-1)?.what === 'exit 0')
    // The kernel may report an exit after the parent has reaped the process.
    let wrong: string[] = []
    await until(
      'every process has one exec and one exit',
      () => (wrong = model.withoutOneExecAndExit(storm, load.code)).length === 0,
    ).catch(() => {})
    t.deepEqual(wrong, [])
    const { lostSocket, lostQueue, resync } = monitor.stats()
    t.deepEqual({ lostSocket, lostQueue, resync }, { lostSocket: 0, lostQueue: 0, resync: 0 })
  } finally {
    model.close()
    await monitor.stop()
    load.remove()
  }
})
