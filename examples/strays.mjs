// Runs a command. When it has exited, ends the processes that it has left behind: daemons, and servers that a test forgot.
// Their current parent does not matter. The exit code is the command's.
//
//   npm install proc-events
//   node strays.mjs npm test

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { getProcessMonitor, signalProcess } from 'proc-events'

/** Milliseconds that a process has to end after SIGTERM, and again after SIGKILL. */
const EXIT_TIMEOUT_MS = 2000

const [command, ...args] = process.argv.slice(2)
if (command === undefined) {
  console.error('usage: strays.mjs COMMAND [ARGUMENT…]')
  process.exit(2)
}

const monitor = getProcessMonitor()
/** This process's living descendants by pid: their names and start times. */
const living = new Map()
const ours = { ancestor: process.pid, capture: ['name', 'startTime'] }
monitor.subscribe(
  'fork',
  (pid, { ppid, process: { startTime } }) => {
    living.set(pid, { name: living.get(ppid)?.name ?? 'unknown', startTime })
  },
  ours,
)
monitor.subscribeExec((pid, { process: { name, startTime } }) => {
  living.set(pid, { name: name ?? 'unknown', startTime: startTime ?? living.get(pid)?.startTime })
}, ours)
monitor.subscribeExit((pid) => living.delete(pid), ours)
await monitor.initialize()

const child = spawn(command, args, { stdio: 'inherit' })
const exited = once(child, 'exit').catch(({ message }) => {
  console.error(message)
  process.exit(127)
})
// A terminal sends Ctrl-C to the command, too. This program stays, to clean up.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill())

// child_process knows no real-time signals, so the monitor's exit event decides.
const reported = child.pid === undefined ? null : await monitor.waitForExit(child.pid)
const [exitCode, signal] = await exited
// Everything that the kernel has reported until now is in `living` afterwards.
await monitor.flush()
for (const kill of ['SIGTERM', 'SIGKILL']) {
  for (const [pid, { name, startTime }] of living) {
    console.error(`left behind: ${printable(name)} (${pid}), gets ${kill}`)
    end(pid, startTime, kill)
  }
  await allEnded(AbortSignal.timeout(EXIT_TIMEOUT_MS))
}
await monitor.stop()
process.exitCode = codeOf(reported?.signal ?? signal) ?? reported?.exitCode ?? exitCode

/** Returns the exit code of a shell for this signal. null: no signal ended the process. */
function codeOf(name) {
  if (name === null) return null
  const [, realtime] = /^SIGRTMIN\+(\d+)$/.exec(name) ?? []
  return 128 + (realtime === undefined ? constants.signals[name] : 34 + Number(realtime))
}

/** Replaces control characters, because a process may give itself a name that changes the terminal. */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

/** Never signals a later process that has the same pid. */
function end(pid, startTime, kill) {
  // The start time of a process that ended at once could not be read.
  if (typeof startTime !== 'number') return
  try {
    signalProcess({ pid, startTime }, kill)
  } catch (error) {
    console.error(`${pid}: ${error.message}`)
  }
}

/** Resolves when no descendant is left, or at the timeout. Descendants that start meanwhile count, too. */
async function allEnded(timeout) {
  while (living.size > 0 && !timeout.aborted) {
    await Promise.all([...living].map(([pid, { startTime }]) => ended(pid, startTime, timeout)))
  }
}

async function ended(pid, startTime, timeout) {
  try {
    await monitor.waitForExit(pid, { startTime: startTime ?? undefined, signal: timeout })
  } catch (error) {
    if (error.code === 'ABORT_ERR') return
  }
  // Usually the exit callback has removed it before.
  if (living.get(pid)?.startTime === startTime) living.delete(pid)
}
