// Gives programs their place as they start, and those that run already: a nice value, a cgroup. As root, or for one's own
// processes.
//
//   npm install proc-events
//   node rules.mjs rules.json
//
// rules.json is a list such as
//   [{ "match": { "name": "^(cc1plus|rustc)$" }, "nice": 10 },
//    { "match": { "exe": "/chrome$", "uid": 1000 }, "cgroup": "/sys/fs/cgroup/browsers" }]
// `match` is one of the package's filters; its texts are regular expressions.

import { appendFileSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { getProcessMonitor } from 'proc-events'

const [file = 'rules.json'] = process.argv.slice(2)
const monitor = getProcessMonitor()
for (const { match, nice, cgroup } of JSON.parse(readFileSync(file, 'utf8'))) {
  const filter = Object.entries(match).map(([key, value]) => [
    key,
    typeof value === 'string' ? new RegExp(value) : value,
  ])
  monitor.subscribeExec(
    (pid, { process }) => {
      const name = printable(process.name ?? 'unknown')
      // The first thread's: at its exec a process has no other, and what it starts inherits it.
      if (nice !== undefined) apply(`${name} (${pid}): nice ${nice}`, () => setPriority(pid, nice))
      if (cgroup !== undefined)
        apply(`${name} (${pid}): ${cgroup}`, () => appendFileSync(`${cgroup}/cgroup.procs`, `${pid}`))
    },
    { ...Object.fromEntries(filter), capture: ['name'] },
  )
}
monitor.on('loss', ({ lost, recoveredExecs }) =>
  console.error(`${lost} events lost, ${recoveredExecs} execs recovered`),
)
await monitor.initialize()
console.log('ready')

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => monitor.stop())

function apply(what, action) {
  try {
    action()
    console.log(what)
  } catch (error) {
    // ESRCH: it has ended already, and needs no place any more.
    if ((error.info ?? error).code !== 'ESRCH') console.error(`${what}: ${error.message}`)
  }
}

/** A process may give itself any name, also one that steers the terminal which it is printed on. */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
