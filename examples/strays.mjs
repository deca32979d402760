// Runs a command. When it has exited, ends the processes that it has left behind: daemons, and servers that a test forgot.
// Their current parent does not matter. The exit code is the command's.
//
//   npm install proc-events
//   node strays.mjs npm test

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { getProcessMonitor } from 'proc-events'

/** Milliseconds for ending in peace, and then for being killed. */
const EXIT_TIMEOUT_MS = 2000

const [command, ...args] = process.argv.slice(2)
if (command === undefined) {
  console.error('usage: strays.mjs COMMAND [ARGUMENT…]')
  process.exit(2)
}

const monitor = getProcessMonitor()
/** The names of this process's living descendants, by pid. */
const living = new Map()
const ours = { ancestor: process.pid, capture: ['name'] }
monitor.subscribe('fork', (pid, { ppid }) => living.set(pid, living.get(ppid) ?? 'unknown'), ours)
monitor.subscribeExec((pid, { process: { name } }) => living.set(pid, name ?? 'unknown'), ours)
monitor.subscribeExit((pid) => living.delete(pid), ours)
await monitor.initialize()

const child = spawn(command, args, { stdio: 'inherit' })
const exited = once(child, 'exit').catch(({ message }) => {
  console.error(message)
  process.exit(127)
})
// A terminal sends Ctrl-C to the command, too. This one stays, to clean up.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill())

// The monitor tells of its end after all that it has started; child_process may be earlier, and knows no real-time signals.
const told = child.pid === undefined ? null : await monitor.waitForExit(child.pid)
const [exitCode, signal] = await exited
for (const kill of ['SIGTERM', 'SIGKILL']) {
  for (const [pid, name] of living) {
    console.error(`left behind: ${printable(name)} (${pid}), gets ${kill}`)
    end(pid, kill)
  }
  await allEnded(AbortSignal.timeout(EXIT_TIMEOUT_MS))
}
await monitor.stop()
process.exitCode = codeOf(told?.signal ?? signal) ?? told?.exitCode ?? exitCode

/** As shells have it; null where no signal has ended it. */
function codeOf(name) {
  if (name === null) return null
  const [, realtime] = /^SIGRTMIN\+(\d+)$/.exec(name) ?? []
  return 128 + (realtime === undefined ? constants.signals[name] : 34 + Number(realtime))
}

/** A process may give itself any name, also one that steers the terminal which it is printed on. */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

function end(pid, kill) {
  try {
    process.kill(pid, kill)
  } catch (error) {
    // ESRCH: it has just ended by itself.
    if (error.code !== 'ESRCH') console.error(`${pid}: ${error.message}`)
  }
}

/** Resolves when nothing is left, or the time is over. What is started meanwhile counts, too. */
async function allEnded(timeout) {
  while (living.size > 0 && !timeout.aborted) {
    await Promise.all([...living.keys()].map((pid) => ended(pid, timeout)))
  }
}

async function ended(pid, timeout) {
  try {
    await monitor.waitForExit(pid, { signal: timeout })
  } catch (error) {
    if (error.code === 'ABORT_ERR') return
  }
  // As a rule its exit has been told before, and this is nothing new.
  living.delete(pid)
}
