// Starts processes one after the other, and prints what the monitor saw of them as JSON. Arguments: the options of `initialize`,
// the number of processes, the expected exit code, and the program with its arguments.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const [options, count, code, program, ...args] = process.argv.slice(2)
const result = { warnings: [], losses: 0 }
process.on('warning', (warning) => result.warnings.push(warning.code))

const monitor = getProcessMonitor()
const seen = { fork: new Map(), exec: new Map(), exit: new Map() }
const add = (type) => (pid, event) => {
  if (event.origin !== 'bootstrap') seen[type].set(pid, (seen[type].get(pid) ?? []).concat(event))
}
monitor.subscribe('fork', add('fork'))
monitor.subscribeExec(add('exec'), { capture: ['name', 'exe', 'argv', 'ppid'] })
monitor.subscribeExit(add('exit'))
monitor.on('loss', ({ lost }) => (result.losses += lost))
await monitor.initialize(JSON.parse(options))
const before = monitor.stats()

const pids = []
for (let n = 0; n < Number(count); n++) {
  const { pid, status } = spawnSync(program, args)
  if (status !== Number(code)) throw new Error(`${program} exited with ${status}`)
  pids.push(pid)
}
await monitor.flush()
// The status of an exit comes once the parent has reaped the process.
const deadline = performance.now() + 5_000
while (pids.some((pid) => !seen.exit.has(pid)) && performance.now() < deadline)
  await new Promise((resolve) => setTimeout(resolve, 2))
const { source, watching, unseen } = monitor.stats()
const eventsOf = (pid) => [...(seen.fork.get(pid) ?? []), ...(seen.exec.get(pid) ?? []), ...(seen.exit.get(pid) ?? [])]
const inOrder = (times) => times.every((time, at) => at === 0 || time >= times[at - 1])
const base = program.slice(program.lastIndexOf('/') + 1)
Object.assign(result, {
  source,
  watching,
  opened: before.watching,
  unseen,
  forks: pids.filter((pid) => seen.fork.get(pid)?.length === 1).length,
  execs: pids.filter((pid) => seen.exec.get(pid)?.length === 1).length,
  named: pids.filter((pid) => seen.exec.get(pid)?.[0].process.name === base).length,
  paths: pids.filter((pid) => seen.exec.get(pid)?.[0].process.exe?.endsWith(base)).length,
  argv: pids.filter((pid) => seen.exec.get(pid)?.[0].process.argv?.[0] === program).length,
  exits: pids.filter((pid) => seen.exit.get(pid)?.length === 1).length,
  codes: pids.filter((pid) => seen.exit.get(pid)?.[0].exitCode === Number(code)).length,
  wrong: pids.filter((pid) => ![Number(code), null, undefined].includes(seen.exit.get(pid)?.[0].exitCode)).length,
  kernel: pids.filter((pid) => eventsOf(pid).every(({ origin }) => origin === 'kernel')).length,
  // For the log of a test that fails.
  polled: Object.keys(seen)
    .flatMap((type) => {
      const isPolled = (pid) => seen[type].get(pid)?.some(({ origin }) => origin !== 'kernel')
      return pids.filter(isPolled).map((pid) => `${type} ${pid}`)
    })
    .slice(0, 3),
  ordered: pids.filter((pid) => inOrder(eventsOf(pid).map(({ timestampNs }) => timestampNs))).length,
})
await monitor.stop()
console.log(JSON.stringify(result))
