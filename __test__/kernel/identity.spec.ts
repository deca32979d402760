/** Processes as identities: signals, waits and start times, and what the scan reports, on the real kernel. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import test from 'ava'
import { type ProcessMonitor, findDeletedProcesses, getProcessMonitor, signalProcess } from '../../dist/index.js'
import { monitoring, until } from '../support/helpers.ts'

const serial = test.serial

function startTimeOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19])
}

/** Returns the kernel threads that run now. Their parent is process 2. */
function kernelThreads(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid === 2 || readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === '2'
      } catch {
        return false
      }
    })
}

serial('signalProcess signals the process until it has exited, and no other process with its pid', async (t) => {
  const child = spawn('sleep', ['60'])
  const pid = child.pid!
  const startTime = startTimeOf(pid)
  t.false(signalProcess({ pid, startTime: startTime + 1 }, 'SIGKILL'))
  t.false(signalProcess({ pid, startTime: startTime - 1 }, 'SIGKILL'))
  t.true(signalProcess({ pid, startTime }, 0))
  t.true(signalProcess({ pid, startTime }, 'SIGTERM'))
  t.deepEqual(await once(child, 'exit'), [null, 'SIGTERM'])
  t.false(signalProcess({ pid, startTime }, 'SIGTERM'))
  t.deepEqual(findDeletedProcesses(new Set([pid])), new Set([pid]))
})

serial('signalProcess throws EPERM for a process of another user', (t) => {
  const script = `
    const { signalProcess } = require('./dist/index.js')
    process.setgid(65534); process.setuid(65534)
    try { signalProcess({ pid: ${process.pid}, startTime: ${startTimeOf(process.pid)} }, 'SIGTERM') }
    catch ({ code, errno, syscall }) { console.log(code, errno, syscall) }`
  const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  t.is(stdout, 'EPERM -1 pidfd_send_signal\n')
})

serial('flush() resolves after the exec and the exit of a process that has ended before', async (t) => {
  await monitoring(async (monitor) => {
    const seen: string[] = []
    let pid = 0
    monitor.subscribeExec((at, { type }) => seen.push(`${type} ${at}`))
    monitor.subscribeExit((at, { type }) => seen.push(`${type} ${at}`))
    for (let i = 0; i < 50; i++) {
      pid = spawnSync('true').pid
      await monitor.flush()
      t.deepEqual(seen.filter((event) => event.endsWith(` ${pid}`)).slice(-2), [`exec ${pid}`, `exit ${pid}`])
    }
  })
})

serial('flush() of the polling source takes a snapshot', async (t) => {
  const run = async (monitor: ProcessMonitor): Promise<void> => {
    const seen: number[] = []
    monitor.subscribeExec((pid) => seen.push(pid))
    const child = spawn('sleep', ['60'])
    await once(child, 'spawn')
    await monitor.flush()
    t.true(seen.includes(child.pid!))
    child.kill()
    await once(child, 'exit')
  }
  await monitoring(run, { source: 'polling', pollingInterval: 600_000 })
})

serial('waitForExit with a start time waits for that process only', async (t) => {
  await monitoring(async (monitor) => {
    const child = spawn('sh', ['-c', 'read line; exit 3'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const pid = child.pid!
    const startTime = startTimeOf(pid)
    await t.throwsAsync(monitor.waitForExit(pid, { startTime: startTime + 1 }), { code: 'ERR_NO_SUCH_PROCESS' })
    const wait = monitor.waitForExit(pid, { startTime })
    // The request is answered before the flush, so that the process is observed before its exit.
    await monitor.flush()
    child.stdin.end('\n')
    t.is((await wait).exitCode, 3)
    await monitor.flush()
    t.is((await monitor.waitForExit(pid, { startTime })).exitCode, 3, 'it exited less than a second ago')
    await t.throwsAsync(monitor.waitForExit(pid, { startTime: startTime - 1 }), { code: 'ERR_NO_SUCH_PROCESS' })
  })
})

serial(
  'waitForExit with another start time rejects for a process that is killed before, during or after the call',
  async (t) => {
    await monitoring(async (monitor) => {
      monitor.subscribeExec(() => {}, { capture: ['startTime'] })
      await monitor.flush()
      for (let round = 0; round < 60; round++) {
        const child = spawn('sleep', ['60'])
        const [pid, exit] = [child.pid!, once(child, 'exit')]
        const startTime = startTimeOf(pid)
        if (round % 2 === 0) await monitor.flush()
        const kill = (): boolean => child.kill('SIGKILL')
        if (round % 3 === 0) kill()
        const waits = [startTime - 1, startTime + 1].map((startTime) => monitor.waitForExit(pid, { startTime }))
        if (round % 3 === 1) kill()
        if (round % 3 === 2) setImmediate(kill)
        for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_NO_SUCH_PROCESS' }, `round ${round}`)
        await exit
        t.is((await monitor.waitForExit(pid, { startTime })).signal, 'SIGKILL', `round ${round}`)
      }
    })
  },
)

serial('fork and exec events carry the same start time', async (t) => {
  await monitoring(async (monitor) => {
    const seen = new Map<number, unknown[]>()
    for (const type of ['fork', 'exec'] as const) {
      monitor.subscribe(
        type,
        (pid, { process }) => seen.set(pid, [...(seen.get(pid) ?? []), type, process.startTime]),
        {
          capture: ['startTime'],
        },
      )
    }
    await monitor.flush()
    const child = spawn('sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const startTime = startTimeOf(child.pid!)
    await until('both are reported', () => seen.get(child.pid!)?.length === 4)
    child.stdin.end('\n')
    await once(child, 'exit')
    t.deepEqual(seen.get(child.pid!), ['fork', startTime, 'exec', startTime])
  })
})

serial('the scan reports kernel threads only if asked', async (t) => {
  const threads = kernelThreads()
  for (const asked of [false, true]) {
    const monitor = getProcessMonitor()
    const seen = new Set<number>()
    monitor.subscribeExec((pid) => seen.add(pid))
    await monitor.initialize({ kernelThreads: asked })
    await monitor.stop()
    // Kernel threads come and go.
    const running = threads.filter((pid) => kernelThreads().includes(pid))
    t.deepEqual(
      running.filter((pid) => seen.has(pid)),
      asked ? running : [],
    )
    t.true(seen.has(process.pid))
  }
  if (threads.length === 0) t.log('this machine shows no kernel threads')
})

serial('loginUid is the user of the login, or null', async (t) => {
  const given = Number(readFileSync('/proc/self/loginuid', 'utf8'))
  const expected = given === 2 ** 32 - 1 ? null : given
  await monitoring(async (monitor) => {
    const seen = new Map<number, number | null | undefined>()
    monitor.subscribeExec((pid, { process }) => void seen.set(pid, process.loginUid), { capture: ['loginUid'] })
    await monitor.flush()
    const { pid } = spawnSync('true')
    // Setting a login needs a permission that a container may lack.
    const script = 'echo 1234 > /proc/self/loginuid && exec true'
    const other = spawnSync('sh', ['-c', script], { stdio: 'ignore' })
    await monitor.flush()
    t.is(seen.get(pid), expected)
    if (other.status === 0) t.is(seen.get(other.pid), 1234)
  })
})
