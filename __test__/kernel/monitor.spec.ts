/** The monitor on the real kernel. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { getProcessMonitor, type ExecEvent, type ExitEvent } from '../../dist/index.js'
import { block, copyOf, descriptors, lines, loadOf, monitoring, run, threads, until } from '../support/helpers.ts'

const serial = test.serial

serial('getProcessMonitor() always returns the same monitor', async (t) => {
  const first = getProcessMonitor()
  const second = getProcessMonitor()
  t.is(first, second)
  await first.stop()
  await second.stop()
})

serial('references are counted and never negative', async (t) => {
  const monitor = getProcessMonitor()
  for (let references = 2; references <= 10; references++) {
    getProcessMonitor()
    t.is(monitor.stats().references, references)
  }
  await monitor.initialize()
  for (let references = 9; references >= 1; references--) {
    await monitor.stop()
    t.is(monitor.stats().references, references)
    t.is(monitor.stats().source, 'netlink')
  }
  await monitor.stop()
  t.is(monitor.stats().source, null)
  await monitor.stop()
  t.is(monitor.stats().references, 0)
})

serial('ten exec and ten exit callbacks all get one process', async (t) => {
  await monitoring(async (monitor) => {
    const execs: number[][] = []
    const exits: number[][] = []
    for (let index = 0; index < 10; index++) {
      execs.push([])
      exits.push([])
      monitor.subscribeExec((pid) => execs[index]!.push(pid))
      monitor.subscribeExit((pid) => exits[index]!.push(pid))
    }
    const pid = await run('/bin/true')
    const seen = (pids: number[]): number => pids.filter((seen) => seen === pid).length
    await until('every callback has seen it', () => [...execs, ...exits].every((pids) => seen(pids) > 0))
    t.deepEqual([...execs, ...exits].map(seen), Array(20).fill(1))
  })
})

serial('a filter by name selects a program until it is unsubscribed', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-own-name')
  let execs = 0
  let exits = 0
  let any = 0
  await monitoring(async (monitor) => {
    const filter = { name: 'pe-own-name' }
    const offExec = monitor.subscribeExec(() => execs++, filter)
    const offExit = monitor.subscribeExit(() => exits++, filter)
    const runOnce = async (): Promise<void> => {
      const child = spawn(program.path, ['0.05'])
      const seen = (): void => void any++
      const off = monitor.subscribeExit((pid) => pid === child.pid && seen())
      const before = any
      await once(child, 'exit')
      await until('the exit was delivered', () => any > before)
      off()
    }
    await runOnce()
    t.deepEqual([execs, exits], [1, 1])
    offExit()
    await runOnce()
    t.deepEqual([execs, exits], [2, 1])
    const offAgain = monitor.subscribeExit(() => exits++, filter)
    offExec()
    await runOnce()
    t.deepEqual([execs, exits], [2, 2])
    offExec()
    offAgain()
    offAgain()
    await runOnce()
    t.deepEqual([execs, exits], [2, 2])
  })
  program.remove()
})

serial("a name longer than the kernel's limit is completed", async (t) => {
  const name = 'pe-a-name-longer-than-fifteen-bytes'
  const program = copyOf('/bin/sleep', name)
  await monitoring(async (monitor) => {
    const execs: ExecEvent[] = []
    const exits: ExitEvent[] = []
    monitor.subscribeExec((_, event) => execs.push(event), { name, capture: ['name'] })
    monitor.subscribeExit((_, event) => exits.push(event), { name: /^pe-a-name-.*-bytes$/ })
    const pid = await run(program.path, ['0.05'])
    await until('its exit was delivered', () => exits.length > 0)
    t.deepEqual([execs.length, exits.length], [1, 1])
    t.deepEqual([execs[0]!.pid, execs[0]!.process.name, exits[0]!.process.name], [pid, name, name])
  })
  program.remove()
})

serial('a new program in the same process replaces the name', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-second')
  await monitoring(async (monitor) => {
    const first: number[] = []
    const second: ExitEvent[] = []
    monitor.subscribeExit((pid) => first.push(pid), { name: 'sh' })
    monitor.subscribeExit((_, event) => second.push(event), { name: 'pe-second' })
    const pid = await run('/bin/sh', ['-c', `sleep 0.05; exec ${program.path} 0.05`])
    await until('its exit was delivered', () => second.length > 0)
    t.is(second[0]!.pid, pid)
    t.false(first.includes(pid))
  })
  program.remove()
})

serial('a process that runs before the start is reported once, and its exit matches by name', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-before')
  const child = spawn(program.path, ['60'])
  await once(child, 'spawn')
  const execs: ExecEvent[] = []
  const exits: ExitEvent[] = []
  const all = new Map<number, number>()
  const monitor = getProcessMonitor()
  monitor.subscribeExec((_, event) => execs.push(event), { name: 'pe-before' })
  monitor.subscribeExit((_, event) => exits.push(event), { name: 'pe-before' })
  monitor.subscribeExec((pid, event) => event.origin === 'bootstrap' && all.set(pid, (all.get(pid) ?? 0) + 1))
  await monitor.initialize()
  t.deepEqual(
    execs.map(({ pid, origin }) => [pid, origin]),
    [[child.pid, 'bootstrap']],
  )
  t.true(all.has(process.pid) && all.has(1))
  t.deepEqual([...new Set(all.values())], [1])
  child.kill('SIGKILL')
  await until('its exit was delivered', () => exits.length > 0)
  t.deepEqual([exits[0]!.pid, exits[0]!.signal, exits[0]!.durationSince], [child.pid, 'SIGKILL', 'start'])
  await monitor.stop()
  program.remove()
})

serial('the name of a process older than the first filter by name is known', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-unasked')
  const child = spawn(program.path, ['60'])
  await once(child, 'spawn')
  await monitoring(async (monitor) => {
    const exits: ExitEvent[] = []
    monitor.subscribeExit((_, event) => exits.push(event), { name: 'pe-unasked' })
    // The names of running processes are read now. A process that starts now is reported after that.
    const later = spawn('/bin/sleep', ['0.1'])
    await once(later, 'exit')
    child.kill('SIGTERM')
    await until('its exit was delivered', () => exits.length > 0)
    t.deepEqual([exits[0]!.pid, exits[0]!.signal], [child.pid, 'SIGTERM'])
  })
  program.remove()
})

serial('the same callback twice throws for each type separately', async (t) => {
  await monitoring(async (monitor) => {
    const callback = (): void => {}
    const off = monitor.subscribeExec(callback)
    t.throws(() => monitor.subscribeExec(callback), { code: 'ERR_CALLBACK_REGISTERED' })
    t.notThrows(() => monitor.subscribeExit(callback))
    off()
    t.notThrows(() => monitor.subscribeExec(callback))
  })
})

serial('after the last stop no callback is called, and monitoring can start again', async (t) => {
  let calls = 0
  await monitoring(async (monitor) => {
    monitor.subscribeExec(() => calls++)
    monitor.subscribeExit(() => calls++)
    await run('/bin/true')
    await until('it was called', () => calls > 0)
  })
  const before = calls
  await run('/bin/true')
  await monitoring(async (monitor) => {
    const seen: number[] = []
    monitor.subscribeExit((pid) => seen.push(pid))
    const pid = await run('/bin/true')
    await until('the new subscription was called', () => seen.includes(pid))
  })
  t.is(calls, before)
})

serial('exit codes and signals equal those of child_process', async (t) => {
  await monitoring(async (monitor) => {
    const exits = new Map<number, ExitEvent>()
    monitor.subscribeExit((pid, event) => exits.set(pid, event))
    for (const script of ['exit 0', 'exit 7', 'exit 255', 'kill -KILL $$', 'kill -TERM $$', 'kill -SEGV $$']) {
      const child = spawn('/bin/sh', ['-c', script])
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      await until('its exit was delivered', () => exits.has(child.pid!))
      const { exitCode, signal: received, ppid, origin, durationNs } = exits.get(child.pid!)!
      t.deepEqual({ script, code: exitCode, signal: received }, { script, code, signal })
      t.deepEqual([ppid, origin], [process.pid, 'kernel'])
      t.true(durationNs! > 0 && durationNs! < 60e9)
    }
  })
})

serial('timestamps are on the clock of process.hrtime', async (t) => {
  await monitoring(async (monitor) => {
    const at: number[] = []
    let pid = 0
    monitor.subscribeExec((execed, event) => execed === pid && at.push(event.timestampNs))
    monitor.subscribeExit((exited, event) => exited === pid && at.push(event.timestampNs))
    const before = Number(process.hrtime.bigint())
    const child = spawn('/bin/sleep', ['0.05'])
    pid = child.pid!
    await once(child, 'exit')
    await until('both were delivered', () => at.length === 2)
    const after = Number(process.hrtime.bigint())
    t.true(before < at[0]! && at[0]! < at[1]! && at[1]! < after)
  })
})

serial('3,000 processes are all reported after JavaScript was blocked for two seconds', async (t) => {
  await monitoring(async (monitor) => {
    // Other processes may reuse the pids, so the parent identifies the exits of the load.
    const reported = new Map<number, (number | null | 'exec')[]>()
    const note = (pid: number, what: number | null | 'exec'): void => {
      const events = reported.get(pid)
      if (events === undefined) reported.set(pid, [what])
      else events.push(what)
    }
    monitor.subscribeExec((pid) => note(pid, 'exec'))
    monitor.subscribeExit((pid, { ppid }) => note(pid, ppid))
    const started = performance.now()
    const count = loadOf(3000)
    const script = 'i=0; while [ $i -lt "$0" ]; do /bin/true & echo $!; wait; i=$((i+1)); done'
    const load = spawnSync('/bin/sh', ['-c', script, String(count)], { encoding: 'utf8' })
    block(Math.max(0, 2000 - (performance.now() - started)))
    const pids = load.stdout.trim().split('\n').map(Number)
    t.is(pids.length, count)
    // The kernel reports no parent for a process that is reaped during its exit.
    const isOfLoad = (what: number | null | 'exec' | undefined): boolean => what === load.pid || what === null
    await until('the last exit was delivered', () => reported.get(pids.at(-1)!)?.some(isOfLoad) === true)
    const exitsOf = (pid: number): number =>
      (reported.get(pid) ?? []).filter((what, at, events) => isOfLoad(what) && events[at - 1] === 'exec').length
    t.deepEqual(
      pids.filter((pid) => exitsOf(pid) !== pids.filter((same) => same === pid).length),
      [],
    )
    const { lostSocket, lostQueue, resync } = monitor.stats()
    t.deepEqual({ lostSocket, lostQueue, resync }, { lostSocket: 0, lostQueue: 0, resync: 0 })
  })
})

serial('thirty starts and stops leave no thread and no descriptor behind', async (t) => {
  await monitoring(async () => {})
  const before = { threads: threads(), descriptors: descriptors() }
  for (let cycle = 0; cycle < 30; cycle++) await monitoring(async () => {})
  t.deepEqual({ threads: threads(), descriptors: descriptors() }, before)
})

serial('threads are never reported as processes', async (t) => {
  await monitoring(async (monitor) => {
    const events: string[] = []
    let pid = 0
    monitor.subscribeExec((execed) => execed === pid && events.push('exec'))
    monitor.subscribeExit((exited) => exited === pid && events.push('exit'))
    const others: number[] = []
    monitor.subscribeExit((exited, { ppid }) => ppid === pid && others.push(exited))
    const script = 'const {Worker}=require("worker_threads");for(let i=0;i<4;i++)new Worker("",{eval:true})'
    const child = spawn(process.execPath, ['-e', script])
    pid = child.pid!
    await once(child, 'exit')
    await until('its exit was delivered', () => events.includes('exit'))
    t.deepEqual(events, ['exec', 'exit'])
    t.deepEqual(others, [])
  })
})

serial('from another network namespace all processes are reported', async (t) => {
  const watcher = `
    import { createRequire } from 'node:module'
    const { getProcessMonitor } = createRequire(${JSON.stringify(import.meta.url)})('../../dist/index.js')
    const monitor = getProcessMonitor()
    monitor.subscribeExec((pid) => console.log(pid))
    await monitor.initialize()
    console.log('ready')
    process.stdin.on('data', () => void monitor.stop().then(() => process.exit()))
  `
  const args = ['-n', process.execPath, '--input-type=module', '-e', watcher]
  const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const output = lines(child)
  const seen = new Set<string>()
  const read = async (wanted: string): Promise<void> => {
    while (!seen.has(wanted)) {
      const { value, done } = await output.next()
      if (done === true) throw new Error(`the watcher ended without ${wanted}`)
      seen.add(value)
    }
  }
  await read('ready')
  const host = await run('/bin/true')
  const third = await run('unshare', ['-n', '/bin/true'])
  await read(String(host))
  await read(String(third))
  child.stdin.write('end')
  const [code] = (await once(child, 'exit')) as [number]
  t.is(code, 0)
})
