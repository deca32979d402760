// priority.mjs: the priority that the monitor says it has, and if any of its threads has a real-time policy.

import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { monitor, result, start, until } from './common.mjs'

await start()
monitor.subscribeExec(() => {}, { capture: ['argv'] })
// The workers start with the subscription, and the next event updates the figure.
await until(() => {
  spawnSync('/bin/true')
  return monitor.stats().priority === 'short-slice' || hasFifo()
}, 2)
result({ priority: monitor.stats().priority, isFifo: hasFifo() })
await monitor.stop()

/** Returns true if a thread of this program has a real-time policy: field 41 of its stat. */
function hasFifo() {
  return readdirSync('/proc/self/task').some((thread) => {
    try {
      const text = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[38] === '1'
    } catch {
      // The thread has ended meanwhile.
      return false
    }
  })
}
