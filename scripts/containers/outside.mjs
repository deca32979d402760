// Observes the processes of containers from the host, and runs processes that the containers may observe.

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { once } from 'node:events'
import { root } from '../toolchain.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)(join(root, 'dist/index.js'))
const capture = ['name', 'argv', 'cgroup']
const monitor = getProcessMonitor()
/** Details of the processes that were seen, by each of their arguments. */
const byArgument = new Map()

/** Begins to observe. Resolves with the reason if the kernel does not report processes here. */
export async function observeHost() {
  monitor.subscribeExec(
    (_pid, { process: details }) => {
      for (const argument of details.argv ?? []) byArgument.set(argument, details)
    },
    { capture },
  )
  try {
    await monitor.initialize()
    return null
  } catch (error) {
    return error.code
  }
}

/** Returns details of the last process with this argument. */
export function lastWith(argument) {
  return byArgument.get(argument)
}

/** Resolves with details of the running processes with this name. */
export async function runningNamed(name) {
  const found = []
  const unsubscribe = monitor.subscribeExec((_pid, { process: details }) => found.push(details), {
    name,
    capture,
    replay: true,
  })
  await monitor.flush()
  unsubscribe?.()
  return found
}

/** Runs processes that exit with code 5. Resolves with their pids. */
export function runProcesses(count, seconds) {
  const runOne = async () => {
    const child = spawn('/bin/sh', ['-c', `sleep ${seconds}; exit 5`], { stdio: 'ignore' })
    await once(child, 'exit')
    return child.pid
  }
  return Promise.all(Array.from({ length: count }, runOne))
}

export async function stopObserving() {
  await monitor.flush()
  await monitor.stop()
}
