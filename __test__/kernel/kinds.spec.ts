/** Every event type, each caused by a real program, and subscriptions that change during a storm. */
import { spawn } from 'node:child_process'
import test from 'ava'
import { type EventOf, type EventType, getProcessMonitor } from '../../dist/index.js'
import { Load, has } from '../support/load.ts'
import { lines, loadOf, monitoring, until } from '../support/helpers.ts'

const serial = test.serial

/** Returns the events of one type that a Python program causes, for its own process or for the pid that it prints. */
async function provoked<T extends EventType>(type: T, program: string): Promise<EventOf<T>[]> {
  const seen: EventOf<T>[] = []
  let pid = 0
  await monitoring(async (monitor) => {
    const ends = new Set<number>()
    monitor.subscribe(type, (_, event) => seen.push(event), { capture: ['name'] })
    monitor.subscribeExit((pid) => ends.add(pid))
    const child = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { value } = await lines(child).next()
    pid = value === undefined ? child.pid! : Number(value)
    await until('the program has exited', () => ends.has(child.pid!))
  })
  return seen.filter((event) => event.pid === pid)
}

serial('uid events have the real and the effective user id', async (t) => {
  const [first, second, ...others] = await provoked('uid', 'import os; os.seteuid(65534); os.setresuid(0, 0, 0)')
  t.like(first, { type: 'uid', origin: 'kernel', ruid: 0, euid: 65534, process: { name: 'python3' } })
  t.like(second, { ruid: 0, euid: 0 })
  t.deepEqual(others, [])
})

serial('gid events have the real and the effective group id', async (t) => {
  const events = await provoked('gid', 'import os; os.setresgid(1, 2, 3)')
  t.is(events.length, 1)
  t.like(events[0], { type: 'gid', rgid: 1, egid: 2 })
})

serial('a sid event is reported for a new session', async (t) => {
  const program =
    'import os, sys\npid = os.fork()\nif pid: print(pid); sys.stdout.flush(); os.wait()\nelse: os.setsid()'
  const events = await provoked('sid', program)
  t.is(events.length, 1)
  t.like(events[0], { type: 'sid', origin: 'kernel' })
})

/** Lets a process rename its main thread and another one, by a Python expression of `to`. Returns what is reported. */
async function renames(rename: string): Promise<(readonly [string, boolean])[]> {
  const program =
    `import ctypes, threading\nprctl = ctypes.CDLL(None).prctl\nrename = lambda to: ${rename}\n` +
    "rename('pe-main'); thread = threading.Thread(target=rename, args=('pe-thread',)); thread.start(); thread.join()"
  const events = await provoked('comm', program)
  const named = events.filter(({ comm }) => comm.startsWith('pe-'))
  return named.map(({ pid, tid, comm }) => [comm, tid === pid])
}

const RENAMED = [
  ['pe-main', true],
  ['pe-thread', false],
] as const

serial('comm events are reported for processes and threads', async (t) => {
  t.deepEqual(await renames('prctl(15, to.encode(), 0, 0, 0)'), [...RENAMED])
})

serial('comm events are reported for writes to /proc/PID/comm, where the kernel reports these', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-ask')
  try {
    const isReported = load.hasFeature(t, 'comm-write')
    const reported = await renames("open('/proc/thread-self/comm', 'w').write(to)")
    t.deepEqual(reported, isReported ? [...RENAMED] : [])
  } finally {
    load.remove()
  }
})

serial('fork events are reported for processes only', async (t) => {
  const program =
    'import os, sys, threading\nthread = threading.Thread(target=len, args=([],)); thread.start(); thread.join()\n' +
    'pid = os.fork()\nif pid: print(pid); sys.stdout.flush(); os.wait()'
  const events = await provoked('fork', program)
  t.is(events.length, 1)
  t.is(events[0]!.type, 'fork')
  t.true(events[0]!.ppid > 0)
})

serial('ptrace events are reported on attach and detach', async (t) => {
  const program =
    'import ctypes, os, sys, time\nptrace = ctypes.CDLL(None).ptrace\npid = os.fork()\n' +
    'if not pid: time.sleep(60)\n' +
    'print(pid); sys.stdout.flush()\n' +
    'assert ptrace(16, pid, 0, 0) == 0; os.waitpid(pid, 0); assert ptrace(17, pid, 0, 0) == 0; os.kill(pid, 9); os.wait()'
  const [attached, detached, ...others] = await provoked('ptrace', program)
  t.true(attached!.tracerPid! > 0)
  t.is(detached!.tracerPid, null)
  t.deepEqual(others, [])
})

serial('a coredump event is reported with the parent', async (t) => {
  const program =
    'import os, resource, signal, sys\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\npid = os.fork()\n' +
    'if not pid: os.kill(os.getpid(), signal.SIGSEGV)\nprint(pid); sys.stdout.flush(); os.wait()'
  const events = await provoked('coredump', program)
  t.is(events.length, 1)
  t.true(events[0]!.ppid! > 0)
})

serial('subscribing and unsubscribing during a storm loses no exec', async (t) => {
  const load = new Load('pe-switch')
  const monitor = getProcessMonitor()
  const execs = new Set<number>()
  try {
    await monitor.initialize({ receiveBufferSize: 64 << 20, queueSize: 400_000 })
    monitor.subscribeExec((pid) => execs.add(pid))
    let isOver = false
    const storm = load.storm({ count: loadOf(10_000) }).done.finally(() => (isOver = true))
    const types: EventType[] = ['fork', 'comm', 'uid', 'gid', 'sid', 'ptrace', 'coredump', 'exit', 'exec']
    let switches = 0
    while (!isOver || switches < loadOf(1000)) {
      const filter = [{}, { name: 'none' }, { uid: 77 }, { ancestor: 1 }][switches % 4]!
      const unsubscribe = monitor.subscribe(types[switches++ % types.length]!, () => {}, filter)
      await new Promise((resolve) => setImmediate(resolve))
      unsubscribe()
    }
    const { instances } = await storm
    await until('every exec is reported', () => instances.every(({ pid }) => execs.has(pid)))
    const { lostSocket, lostQueue, resync } = monitor.stats()
    t.deepEqual([lostSocket, lostQueue, resync], [0, 0, 0])
    t.true(switches >= loadOf(1000))
  } finally {
    await monitor.stop()
    load.remove()
  }
})
