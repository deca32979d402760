// Monitors its own short-lived children in the environment where it runs, and prints what was seen of them as JSON. Arguments: the
// options of `initialize`, the number of children, and the seconds that each of them runs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'

const { findDeletedProcesses, getProcessMonitor, signalProcess } = createRequire(import.meta.url)(
  '../../../dist/index.js',
)
const [options = '{}', count = '1', seconds = '0.02'] = process.argv.slice(2)
const seen = { fork: new Set(), exec: new Set(), exit: new Map() }
const result = { warnings: [], strangers: [] }
process.on('warning', ({ code }) => result.warnings.push(code))

const monitor = getProcessMonitor()
for (const type of ['fork', 'exec']) {
  monitor.subscribe(type, (pid, { origin }) => origin !== 'bootstrap' && seen[type].add(pid))
}
// In the /proc of another pid namespace, the children have other pids.
const command = `sleep ${seconds}; exit 7`
const commands = new Set()
monitor.subscribeExec(
  (pid, { origin, process }) => origin !== 'bootstrap' && process.argv?.[2] === command && commands.add(pid),
  { capture: ['argv'] },
)
monitor.subscribeExit((pid, { exitCode }) => seen.exit.set(pid, (seen.exit.get(pid) ?? []).concat(exitCode)))
await monitor.initialize(JSON.parse(options))
result.source = monitor.stats().source

const children = []
for (let n = 0; n < Number(count); n++) {
  const child = spawn('/bin/sh', ['-c', command], { stdio: 'ignore' })
  children.push(child.pid)
  await once(child, 'exit')
}
const codeOf = (error) => error.code
const child = spawn('/bin/sh', ['-c', 'sleep 0.2; exit 9'], { stdio: 'ignore' })
const ended = once(child, 'exit').then(() => performance.now())
result.waited = await monitor.waitForExit(child.pid).then(({ exitCode }) => exitCode, codeOf)
const waited = performance.now()
result.waitedMs = waited - (await ended)
try {
  result.deleted = findDeletedProcesses(new Set([child.pid, process.pid])).has(child.pid)
} catch (error) {
  result.deleted = codeOf(error)
}
try {
  // No process has this start time.
  result.signalled = signalProcess({ pid: process.pid, startTime: 1 }, 0)
} catch (error) {
  result.signalled = codeOf(error)
}
await monitor.flush()
const { watching, unseen } = monitor.stats()
const among = (pids) => children.filter((pid) => pids.has(pid)).length
const exits = children.map((pid) => seen.exit.get(pid) ?? [])
Object.assign(result, { watching, unseen, forks: among(seen.fork), execs: among(seen.exec), exits: among(seen.exit) })
result.commands = commands.size
result.ended = [...commands].filter((pid) => seen.exit.get(pid)?.length === 1).length
result.codes = exits.filter((codes) => codes.length === 1 && codes[0] === 7).length
result.wrong = exits.filter(([code]) => code !== undefined && code !== null && code !== 7).length
result.doubled = exits.filter((codes) => codes.length > 1).length
// In a pid namespace of its own, all other processes descend from this one.
result.strangers = [...seen.exec].filter((pid) => pid > children.length * 4 + 1000).length
await monitor.stop()
console.log(JSON.stringify(result))
