// Sets the nice value and the cgroup of programs as they start, and of those that already run. Run it as root, or for your own
// processes.
//
//   npm install proc-events
//   node rules.mjs rules.json
//
// rules.json is a list such as
//   [{ "match": { "name": "^(cc1plus|rustc)$" }, "nice": 10 },
//    { "match": { "exe": "/chrome$", "uid": 1000 }, "cgroup": "/sys/fs/cgroup/browsers" }]
// `match` has the package's filters: name, exe, cwd, commandLine, uid, cgroup, ancestor. Its texts are regular expressions. A filter
// that does not exist is an error. A rule with a name also applies to a process that takes this name later.

import { appendFileSync, readFileSync, readdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { getProcessMonitor } from 'proc-events'

const [file = 'rules.json'] = process.argv.slice(2)
const monitor = getProcessMonitor()
for (const { match, nice, cgroup } of JSON.parse(readFileSync(file, 'utf8'))) {
  const filter = Object.entries(match).map(([key, value]) => [
    key,
    typeof value === 'string' ? new RegExp(value) : value,
  ])
  const options = { ...Object.fromEntries(filter), capture: ['name', 'comm'] }
  const place = (pid, { type, origin, process }) => {
    const name = printable((type === 'comm' ? process.comm : process.name) ?? 'unknown')
    // At its exec a process has one thread, and later ones inherit its nice value. A process that already runs may have more.
    const isNew = type === 'exec' && origin === 'kernel'
    if (nice !== undefined)
      apply(`${name} (${pid}): nice ${nice}`, () => {
        for (const thread of isNew ? [pid] : threadsOf(pid)) setPriority(thread, nice)
      })
    if (cgroup !== undefined)
      apply(`${name} (${pid}): ${cgroup}`, () => appendFileSync(`${cgroup}/cgroup.procs`, `${pid}`))
  }
  monitor.subscribeExec(place, options)
  // Threads rename themselves as well.
  const placeRenamed = (pid, event) => event.tid === pid && place(pid, event)
  if (match.name !== undefined) monitor.subscribe('comm', placeRenamed, options)
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
    // ESRCH: the process or one of its threads has ended already.
    if ((error.info ?? error).code !== 'ESRCH') console.error(`${what}: ${error.message}`)
  }
}

/** Returns the ids of the threads of a process, or only the first one's if the process has ended. */
function threadsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return [pid]
  }
}

/** Replaces control characters, because a process may give itself a name that changes the terminal. */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
