/** Processes that rename themselves, on the real kernel. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type ExecEvent, type ProcessEvent, type ProcessMonitor, getProcessMonitor } from '../../dist/index.js'
import { lines, monitoring, run, temporaryFolder, until } from '../support/helpers.ts'
import { Renamer, compileRenamer } from '../support/renamer.ts'

const serial = test.serial
const CAPTURE = ['name', 'comm', 'argv', 'startTime'] as const

/** Returns the exec events of a process that runs, as a new subscription with a replay receives them. */
async function replayed(monitor: ProcessMonitor, pid: number, isEarly = false): Promise<ExecEvent> {
  const seen: ExecEvent[] = []
  const off = monitor.subscribeExec((at, event) => at === pid && seen.push(event), {
    capture: CAPTURE,
    replay: !isEarly,
  })
  if (isEarly) await monitor.initialize()
  await until(`process ${pid} is reported`, () => seen.length > 0)
  off()
  return seen[0]!
}

serial(
  'a renamed process keeps the name of its exec and gets a new comm, live and if it is found running',
  async (t) => {
    const path = compileRenamer(temporaryFolder(t), 'first-name')
    const monitor = getProcessMonitor()
    const seen: ProcessEvent[] = []
    let pid = 0
    const collect = (at: number, event: ProcessEvent): void => void (at === pid && seen.push(event))
    for (const type of ['exec', 'comm', 'exit'] as const) monitor.subscribe(type, collect, { capture: CAPTURE })
    await monitor.initialize()
    const renamer = new Renamer(path, ['a', 'bb'])
    pid = renamer.pid
    await renamer.request('thread', 'a-thread')
    await renamer.request('comm', 'second')
    await monitor.flush()
    t.deepEqual(
      seen.map(({ type, process: { name, comm } }) => [type, name, comm]),
      [
        ['exec', 'first-name', 'first-name'],
        ['comm', 'first-name', 'first-name'],
        ['comm', 'first-name', 'second'],
      ],
    )
    const { process: found } = await replayed(monitor, pid)
    await monitor.stop()
    t.like(found, { name: 'first-name', comm: 'second' })

    // Another monitor finds the process running.
    const again = getProcessMonitor()
    const { process, origin } = await replayed(again, pid, true)
    const exits: ProcessEvent[] = []
    again.subscribeExit((_, event) => exits.push(event), { name: 'first-name' })
    again.subscribeExit((_, event) => exits.push(event), { name: 'second' })
    again.subscribeExit((_, event) => exits.push(event), { name: 'third' })
    await again.flush()
    await renamer.end()
    await again.flush()
    await again.stop()
    t.is(origin, 'bootstrap')
    t.like(process, { name: 'first-name', comm: 'second' })
    t.deepEqual(
      exits.map(({ pid }) => pid),
      [pid, pid],
    )
  },
)

for (const { capture, priority } of [
  { capture: ['name'], priority: 'ordinary' },
  { capture: ['name', 'argv'], priority: 'ordinary' },
  { capture: ['name', 'exe'], priority: 'ordinary' },
  { capture: ['name'], priority: 'auto' },
] as const) {
  serial(
    `a process that renames itself at once keeps the name of its exec: ${priority}, ${String(capture)}`,
    async (t) => {
      const path = compileRenamer(temporaryFolder(t), 'first-name')
      await monitoring(
        async (monitor) => {
          const names = new Map<number, string | null | undefined>()
          monitor.subscribeExec((pid, { process }) => names.set(pid, process.name), { capture })
          // Subscriptions that come and go change what is read of each process.
          const other = setInterval(() => monitor.subscribeExec(() => {}, { capture: ['cwd', 'uid'] })(), 1)
          await monitor.flush()
          for (let round = 0; round < 20; round++) {
            const renamers = Array.from({ length: 8 }, () => new Renamer(path, ['--at-once', 'second-name']))
            await until('the execs are reported', () => renamers.every(({ pid }) => names.has(pid)))
            t.deepEqual([...new Set(renamers.map(({ pid }) => names.get(pid)))], ['first-name'])
            await Promise.all(renamers.map((renamer) => renamer.end()))
          }
          clearInterval(other)
        },
        { priority },
      )
    },
  )
}

serial('a comm subscription with a name filter fires for the renaming to that name, and for no thread', async (t) => {
  const path = compileRenamer(temporaryFolder(t), 'before')
  await monitoring(async (monitor) => {
    const seen: string[] = []
    const execs = new Set<number>()
    monitor.subscribeExec((pid) => execs.add(pid), { capture: ['name'] })
    monitor.subscribe('comm', (_, event) => seen.push(`new ${event.comm}`), { name: 'wine-game.exe' })
    monitor.subscribe('comm', (_, event) => seen.push(`old ${event.comm}`), { name: 'before' })
    const renamer = new Renamer(path)
    // On a busy machine its names may be read later than that.
    await until('the exec is reported', () => execs.has(renamer.pid))
    await renamer.request('thread', 'wine-game.exe')
    await renamer.request('comm', 'wine-game.exe')
    await monitor.flush()
    t.deepEqual(seen, ['old wine-game.exe', 'new wine-game.exe', 'old wine-game.exe'])
    await renamer.end()
  })
})

serial('a name filter alone follows renames, and renames of threads are dropped in the kernel', async (t) => {
  const path = compileRenamer(temporaryFolder(t), 'before')
  await monitoring(async (monitor) => {
    const seen: number[] = []
    monitor.subscribeExit((pid, event) => seen.push(pid, event.exitCode!), { name: 'after' })
    await monitor.flush()
    const [renamer, other] = [new Renamer(path), new Renamer(path)]
    await renamer.request('comm', 'after')
    const before = monitor.stats().events
    await other.request('threads', '2000')
    await monitor.flush()
    const events = monitor.stats().events - before
    t.true(events < 2000, `${events} events were read while 2,000 threads renamed themselves`)
    await Promise.all([renamer.end(), other.end()])
    await monitor.flush()
    t.deepEqual(seen, [renamer.pid, 3])
  })
})

serial('a process that renames itself in a loop hides no other, and its last name is found', async (t) => {
  const path = compileRenamer(temporaryFolder(t), 'before')
  await monitoring(async (monitor) => {
    const [seen, exits] = [new Set<number>(), new Set<number>()]
    monitor.subscribeExec((pid) => seen.add(pid), { name: 'true' })
    monitor.subscribeExit((pid) => exits.add(pid), { name: 'the-last-name' })
    await monitor.flush()
    const renamer = new Renamer(path)
    let isOver = false
    const storm = renamer.request('storm', '500000').then(() => (isOver = true))
    const pids: number[] = []
    while (!isOver) pids.push(await run('true'))
    await storm
    await renamer.request('comm', 'the-last-name')
    await monitor.flush()
    const { lostSocket } = monitor.stats()
    t.deepEqual([lostSocket, pids.filter((pid) => !seen.has(pid))], [0, []])
    let comm: string | null | undefined
    while (comm !== 'the-last-name') comm = (await replayed(monitor, renamer.pid)).process.comm
    await renamer.end()
    await monitor.flush()
    t.true(exits.has(renamer.pid))
  })
})

serial('recapture reads a title without its padding, and leaves other subscriptions the same process', async (t) => {
  const path = compileRenamer(temporaryFolder(t), 'titled')
  const args = ['--listen', 'a-long-argument', ...Array.from({ length: 40 }, () => 'x')]
  for (const recapture of [true, false]) {
    await monitoring(async (monitor) => {
      const seen: ProcessEvent[] = []
      let pid = 0
      const options = { capture: CAPTURE, recapture }
      monitor.subscribeExec((at, event) => at === pid && seen.push(event), options)
      monitor.subscribeExit((at, event) => at === pid && seen.push(event), options)
      const renamer = new Renamer(path, args)
      pid = renamer.pid
      await until('the exec is reported', () => seen.length > 0)
      await renamer.request('title', 'titled: idle')
      await renamer.request('comm', 'idle')
      // The arguments are read while the process runs.
      await monitor.flush()
      await renamer.end()
      await monitor.flush()
      const [exec, exit] = seen.map(({ process }) => process.argv)
      t.deepEqual(exec, [path, ...args])
      t.deepEqual(exit, recapture ? ['titled: idle'] : [path, ...args])
    })
  }
})

serial('a title of a process found running has no padding, and real empty arguments stay', async (t) => {
  const path = compileRenamer(temporaryFolder(t), 'padded')
  const titled = new Renamer(
    path,
    Array.from({ length: 40 }, () => 'argument'),
  )
  await titled.request('title', 'padded: master process')
  const renamed = new Renamer(path, ['a-long-argument'])
  await renamed.request('title', 'newname: title')
  await renamed.request('comm', 'newname')
  const empty = new Renamer(path, ['', ''])
  await empty.request('comm', 'padded')
  const monitor = getProcessMonitor()
  const seen = new Map<number, readonly string[] | null | undefined>()
  const found: number[] = []
  monitor.subscribeExec((pid, { process }) => seen.set(pid, process.argv), { capture: ['argv'] })
  for (const name of ['padded', 'newname'])
    monitor.subscribeExec((pid) => pid === renamed.pid && found.push(pid), { name })
  await monitor.initialize()
  await monitor.stop()
  t.deepEqual(found, [renamed.pid, renamed.pid], 'by the name of its exec, and by its own')
  t.deepEqual(seen.get(titled.pid), ['padded: master process'])
  t.deepEqual(seen.get(empty.pid), [path, '', ''])
  await Promise.all([titled.end(), empty.end(), renamed.end()])
})

serial('names past 15 bytes are completed for scripts, Windows paths and deleted files', async (t) => {
  const folder = temporaryFolder(t)
  const name = 'a-script-with-a-long-name'
  const scripts = {
    sh: '#!/bin/sh\nexit 0\n',
    env: '#!/usr/bin/env bash\nexit 0\n',
    split: '#!/usr/bin/env -S bash -e -u\nexit 0\n',
    option: '#!/bin/bash -e\nexit 0\n',
  }
  const monitor = getProcessMonitor()
  const names = new Map<number, string | null | undefined>()
  monitor.subscribeExec((pid, { process }) => names.has(pid) || names.set(pid, process.name), { capture: ['name'] })
  await monitor.initialize()
  for (const [kind, text] of Object.entries(scripts)) {
    mkdirSync(join(folder, kind))
    const path = join(folder, kind, name)
    writeFileSync(path, text)
    chmodSync(path, 0o755)
    // If the machine is too busy to read a program in time, its name is null.
    let found: string | null = null
    for (let round = 0; found === null && round < 20; round++) {
      const pid = await run(path)
      await monitor.flush()
      found = names.get(pid)!
    }
    t.is(found, name, kind)
  }
  const windows = new Renamer(compileRenamer(folder, 'wine'), [], 'Z:\\g\\LateRenamerLongName.exe')
  await windows.request('comm', 'LateRenamerLong')
  const gone = compileRenamer(folder, 'a-program-that-is-gone')
  const deleted = new Renamer(gone, [], 'other')
  rmSync(gone)
  await deleted.request('comm', 'a-program-that-')
  const renamed = new Renamer(compileRenamer(folder, 'short'), [], 'other')
  await renamed.request('comm', 'renamed')
  rmSync(join(folder, 'short'))
  await monitor.stop()
  const again = getProcessMonitor()
  const found = new Map<number, string | null | undefined>()
  again.subscribeExec((pid, { process }) => found.set(pid, process.name), { capture: ['name'] })
  await again.initialize()
  await again.stop()
  t.is(found.get(windows.pid), 'LateRenamerLongName.exe')
  t.is(found.get(deleted.pid), 'a-program-that-is-gone')
  t.is(found.get(renamed.pid), 'short')
  await Promise.all([windows.end(), deleted.end(), renamed.end()])
})

serial('a Node.js process has the same name live and if it is found running', async (t) => {
  const path = join(temporaryFolder(t), 'my-node')
  copyFileSync(process.execPath, path)
  const script = `process.title = 'my-title'; console.log('ready'); process.stdin.resume()`
  const monitor = getProcessMonitor()
  const seen: (string | null | undefined)[] = []
  let pid = 0
  monitor.subscribeExec((at, { process }) => at === pid && seen.push(process.name), { capture: ['name'] })
  await monitor.initialize()
  const child = spawn(path, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  pid = child.pid!
  t.is((await lines(child).next()).value, 'ready')
  await monitor.flush()
  const { process: found } = await replayed(monitor, pid)
  child.stdin.end()
  await once(child, 'close')
  await monitor.stop()
  t.deepEqual([...seen, found.name, found.comm], ['my-node', 'my-node', 'my-title'])
})

serial(
  'the time of an event is the time of day, and the duration of an older process is since its start',
  async (t) => {
    const path = compileRenamer(temporaryFolder(t), 'timed')
    const began = Date.now()
    const old = new Renamer(path)
    await old.request('comm', 'timed')
    const known = Date.now()
    await sleep(50)
    await monitoring(async (monitor) => {
      const seen = new Map<number, ProcessEvent[]>()
      for (const type of ['exec', 'exit'] as const) {
        monitor.subscribe(type, (pid, event) => void seen.set(pid, [...(seen.get(pid) ?? []), event]))
      }
      const before = Date.now()
      const young = new Renamer(path)
      await young.end()
      const ended = Date.now()
      await old.end()
      const after = Date.now()
      await monitor.flush()
      const [exec, exit] = seen.get(young.pid)!
      // A clock tick of Date.now() is a millisecond.
      t.true(before - 1 <= exec!.timeMs && exec!.timeMs <= exit!.timeMs && exit!.timeMs <= ended + 1)
      t.true(Math.abs(exit!.timeMs - exec!.timeMs - (exit!.timestampNs - exec!.timestampNs) / 1e6) < 1)
      if (exit?.type !== 'exit') return t.fail()
      t.is(exit.durationSince, 'exec')
      const [oldExit] = seen.get(old.pid)!
      if (oldExit?.type !== 'exit') return t.fail()
      t.is(oldExit.durationSince, 'start')
      const durationMs = oldExit.durationNs! / 1e6
      // The start is rounded down to a tick of 10 ms.
      t.true(ended - known - 1 <= durationMs && durationMs <= after - began + 12, `${durationMs} ms`)
    })
  },
)
