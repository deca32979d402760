// Reports on the environment where it runs, as JSON. Arguments: `wait` and the pid of a zombie. `id` for the container of a child.
// `first`, a program and a number of rounds: how often its process was seen after an idle time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [task, argument, rounds] = process.argv.slice(2)
process.on('warning', () => {})

/** Runs one program with a monitor of its own. Resolves with the details of its exec, and with how it ended. */
async function observe(idleMs, program, ...args) {
  const monitor = getProcessMonitor()
  const execs = new Map()
  monitor.subscribeExec((pid, { process: details }) => execs.set(pid, details), { capture: ['cgroup', 'argv'] })
  await monitor.initialize({ source: 'auto' })
  await new Promise((resolve) => setTimeout(resolve, idleMs))
  const child = spawn(program, args, { stdio: 'ignore' })
  const exits = monitor.waitForExit(child.pid).catch(({ code }) => ({ code }))
  await once(child, 'exit')
  const { exitCode } = await exits
  await monitor.flush()
  await monitor.stop()
  return { details: execs.get(child.pid) ?? null, exitCode }
}

const tasks = {
  async wait() {
    const monitor = getProcessMonitor()
    await monitor.initialize({ source: 'auto' })
    const { exitCode } = await monitor.waitForExit(Number(argument))
    await monitor.stop()
    return { exitCode }
  },
  async id() {
    const { details } = await observe(0, '/bin/sleep', '0.1')
    return { cgroup: details?.cgroup, containerId: details?.containerId }
  },
  async first() {
    // The thread looks less often when nothing was new for half a second.
    let seen = 0
    for (let n = 0; n < Number(rounds); n++) if ((await observe(600, argument)).details) seen++
    return { seen }
  },
}

console.log(JSON.stringify(await tasks[task]()))
