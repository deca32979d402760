/** Starts and stops of all kinds under load. Nothing hangs, crashes, or is left behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { getProcessMonitor, type ProcessMonitor } from '../../dist/index.js'
import { Load, has } from '../support/load.ts'
import { atMost, loadOf, monitoring, readers, run, until } from '../support/helpers.ts'

const serial = test.serial
const index = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
const program = (name: string): string => fileURLToPath(new URL(`../support/programs/${name}`, import.meta.url))

/** Runs `use` during an endless storm of short processes. */
async function underStorm(t: ExecutionContext, use: () => Promise<void>): Promise<void> {
  if (!has(t, 'cc')) return
  const load = new Load('pe-lifecycle')
  let isOver = false
  const storms = (async () => {
    // The bound ends the storm if `use` never does.
    for (let round = 0; round < 60 && !isOver; round++) await load.storm({ count: loadOf(10_000) }).done
  })()
  try {
    await use()
  } finally {
    isOver = true
    await storms
    load.remove()
  }
}

/** Stops the monitor, and returns how many milliseconds that took. No callback is called afterwards. */
async function stop(t: ExecutionContext, monitor: ProcessMonitor, calls: () => number): Promise<number> {
  const started = performance.now()
  const stopped = monitor.stop()
  const before = calls()
  await stopped
  const took = performance.now() - started
  t.true(took < atMost(1000), `a stop took ${took} ms`)
  t.is(monitor.stats().source, null)
  t.is(readers(), 0)
  t.is(calls(), before)
  return took
}

serial('callbacks that are unsubscribed within a callback are not called again', async (t) => {
  await monitoring(async (monitor) => {
    const calls: string[] = []
    const offFirst = monitor.subscribeExit((pid) => {
      calls.push(`first ${pid}`)
      offFirst()
      offSecond()
    })
    const offSecond = monitor.subscribeExit((pid) => calls.push(`second ${pid}`))
    const third = new Set<number>()
    monitor.subscribeExit((pid) => third.add(pid))
    for (let round = 0; round < 3; round++) {
      const pid = await run('/bin/true')
      await until('the third was called', () => third.has(pid))
    }
    t.is(calls.length, 1)
    t.regex(calls[0]!, /^first/)
  })
})

serial('stop() within a callback during the scan rejects initialize(), and monitoring can start again', async (t) => {
  const monitor = getProcessMonitor()
  let calls = 0
  let stopping: Promise<unknown> | undefined
  monitor.subscribeExec(() => {
    calls++
    stopping ??= stop(t, monitor, () => calls)
  })
  await t.throwsAsync(monitor.initialize(), { code: 'ERR_STOPPED' })
  await stopping
  t.is(calls, 1)
  await monitoring(async (again) => {
    const pids = new Set<number>()
    again.subscribeExit((pid) => pids.add(pid))
    const pid = await run('/bin/true')
    await until('the exit is reported', () => pids.has(pid))
  })
  t.is(calls, 1)
})

serial('stop() within a callback at any moment of a storm resolves within a second', async (t) => {
  await underStorm(t, async () => {
    const took: number[] = []
    for (let round = 0; round < 20; round++) {
      const monitor = getProcessMonitor()
      let calls = 0
      const stopped = new Promise<number>((resolve, reject) => {
        const callback = (): void => {
          if (++calls === 1 + round * 97) stop(t, monitor, () => calls).then(resolve, reject)
        }
        monitor.subscribeExec(callback)
        monitor.subscribeExit(callback)
      })
      // Some of these moments are during the scan.
      await monitor.initialize().catch((error: { code: string }) => t.is(error.code, 'ERR_STOPPED'))
      took.push(await stopped)
    }
    t.log(`at most ${Math.max(...took).toFixed(1)} ms`)
  })
})

serial('stop() during a resync resolves within a second', async (t) => {
  await underStorm(t, async () => {
    const took: number[] = []
    for (let round = 0; round < 10; round++) {
      const monitor = getProcessMonitor()
      let calls = 0
      let lost = 0
      monitor.subscribeExec(() => calls++, { capture: ['name', 'exe', 'argv', 'cwd', 'uid', 'cgroup'] })
      const stopped = new Promise<number>((resolve, reject) => {
        monitor.on('loss', () => {
          // Stop in the listener of the resync, or a little later during the next resync, which this load causes.
          const later = (round % 5) * 15
          if (lost++ === 0) {
            void setTimeout(later).then(() => stop(t, monitor, () => calls).then(resolve, reject))
          }
        })
      })
      // The loss and the stop may come before the end of the bootstrap scan.
      await monitor.initialize({ receiveBufferSize: 1 }).catch((error) => t.is(error.code, 'ERR_STOPPED'))
      took.push(await stopped)
      monitor.removeAllListeners('loss')
    }
    t.log(`at most ${Math.max(...took).toFixed(1)} ms`)
  })
})

serial('stop() with a long queue resolves within a second', async (t) => {
  if (!has(t, 'cc')) return
  const load = new Load('pe-behind')
  const monitor = getProcessMonitor()
  try {
    let calls = 0
    monitor.subscribeExec(() => calls++)
    monitor.subscribeExit(() => calls++)
    await monitor.initialize()
    load.stormSync({ count: loadOf(20_000) })
    t.true(monitor.stats().queueDepth > loadOf(10_000))
    await stop(t, monitor, () => calls)
  } finally {
    await monitor.stop()
    load.remove()
  }
})

/** Runs a script in its own process. Returns its exit code and output. */
async function script(text: string): Promise<{ code: number | null; output: string; complaints: string }> {
  const child = spawn(process.execPath, ['-e', `const {getProcessMonitor}=require(${JSON.stringify(index)});${text}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: atMost(20_000),
  })
  let output = ''
  let complaints = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  child.stderr.on('data', (chunk) => (complaints += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output: output.trim(), complaints }
}

serial('starts and stops do not leak memory', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const cycles = async (): Promise<void> => {
    for (let cycle = 0; cycle < 50; cycle++) await monitoring(async (monitor) => void monitor.subscribeExec(() => {}))
  }
  await cycles()
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  await cycles()
  // A session holds at least 64 KiB of buffers.
  await until('the buffers of all but a few were collected', () => {
    collectGarbage()
    return process.memoryUsage().arrayBuffers < before + 10 * 65_536
  })
  t.pass()
})

serial('an exception of a callback is uncaught, and the other callbacks and monitoring continue', async (t) => {
  const { code, output, complaints } = await script(`
    const {spawnSync}=require('child_process')
    const monitor=getProcessMonitor(),caught=[],reported=[],pids=[]
    process.on('uncaughtException',(error)=>caught.push(error.message))
    monitor.subscribeExit((pid)=>{if(pids.includes(pid))throw new Error('thrown '+pids.indexOf(pid))})
    monitor.subscribeExit((pid)=>{
      if(!pids.includes(pid))return
      reported.push('reported '+pids.indexOf(pid))
      if(reported.length===3)setImmediate(end)
    })
    monitor.initialize().then(()=>{for(let i=0;i<3;i++)pids.push(spawnSync('/bin/true').pid)})
    const end=()=>monitor.stop().then(()=>console.log(JSON.stringify({caught,reported})))`)
  t.deepEqual({ code, complaints }, { code: 0, complaints: '' })
  t.deepEqual(JSON.parse(output), {
    caught: ['thrown 0', 'thrown 1', 'thrown 2'],
    reported: ['reported 0', 'reported 1', 'reported 2'],
  })
})

serial('an uncaught exception of a callback ends the process', async (t) => {
  const { code, complaints } = await script(`
    const monitor=getProcessMonitor()
    monitor.subscribeExit(()=>{throw new Error('thrown by a callback')})
    monitor.initialize().then(()=>require('child_process').spawnSync('/bin/true'))`)
  t.is(code, 1)
  t.regex(complaints, /Error: thrown by a callback/)
})

serial('a process with an unref’d monitor ends by itself', async (t) => {
  await underStorm(t, async () => {
    const { code, complaints } = await script(`
      const monitor=getProcessMonitor().unref()
      monitor.subscribeExec(()=>{})
      monitor.subscribeExit(()=>{})
      monitor.initialize()`)
    t.deepEqual({ code, complaints }, { code: 0, complaints: '' })
  })
})

/** A worker thread with its own monitor, and the pids whose exits it reported. */
async function monitoringWorker(): Promise<{ worker: Worker; reported: Set<number>; stop: () => Promise<void> }> {
  const worker = new Worker(program('worker.mjs'))
  const reported = new Set<number>()
  const said = new Set<string>()
  worker.on('message', (message: number | string) => {
    if (typeof message === 'number') reported.add(message)
    else said.add(message)
  })
  await until('the worker monitors', () => said.has('ready'))
  const stop = async (): Promise<void> => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    worker.postMessage('stop')
    await until('the worker has stopped', () => said.has('stopped'))
  }
  return { worker, reported, stop }
}

serial('the main thread and two worker threads share one native reader and start and stop independently', async (t) => {
  t.is(readers(), 0)
  const first = await monitoringWorker()
  const reported = new Set<number>()
  const monitor = getProcessMonitor()
  monitor.subscribeExit((pid) => reported.add(pid))
  await monitor.initialize()
  const second = await monitoringWorker()
  t.is(readers(), 1)

  const common = await run('/bin/true')
  await until('all three threads have the exit', () =>
    [first.reported, reported, second.reported].every((pids) => pids.has(common)),
  )

  await first.stop()
  t.is(readers(), 1)
  const some = await run('/bin/true')
  await until('the remaining two threads have the exit', () => reported.has(some) && second.reported.has(some))

  await monitor.stop()
  t.is(readers(), 1)
  const one = await run('/bin/true')
  await until('the last thread has the exit', () => second.reported.has(one))
  t.deepEqual([first.reported.has(some), first.reported.has(one), reported.has(one)], [false, false, false])

  await second.stop()
  t.is(readers(), 0)
  await first.worker.terminate()
  await second.worker.terminate()
})

for (const too of ['alone', 'too']) {
  const who = too === 'too' ? 'while the main thread monitors, too' : 'while no other thread monitors'
  serial(`worker threads can be terminated at any moment of a storm, ${who}`, async (t) => {
    await underStorm(t, async () => {
      const args = [program('terminate.mjs'), String(Math.max(10, loadOf(50))), too]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: atMost(40_000) })
      let left = ''
      child.stdout.on('data', (chunk) => (left += String(chunk)))
      t.deepEqual(await once(child, 'close'), [0, null])
      t.is(left, '0 readers, 0 descriptors\n')
    })
  })
}

serial('process.exit() works at any moment of a storm', async (t) => {
  await underStorm(t, async () => {
    for (let moment = 0; moment < 10; moment++) {
      const args = [program('exit.mjs'), String(moment)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: atMost(10_000) })
      t.deepEqual(await once(child, 'exit'), [3, null], `moment ${moment}`)
    }
  })
})
