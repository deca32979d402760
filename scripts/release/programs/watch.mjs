// Watches a real process with the installed package from an ECMAScript module. It is the same instance as from CommonJS.

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { getProcessMonitor, ProcessMonitorError } from 'proc-events'

if (createRequire(import.meta.url)('proc-events').ProcessMonitorError !== ProcessMonitorError) {
  throw new Error('import and require return different instances')
}

const monitor = getProcessMonitor()
const signal = AbortSignal.timeout(10_000)
const events = monitor.events({ types: ['exec', 'exit'], signal })
await monitor.initialize()
const { pid } = spawn('/bin/sh', ['-c', 'exit 3'])
const seen = []
for await (const event of events) {
  if (event.pid !== pid) continue
  seen.push(event.type)
  if (event.type === 'exit' && event.exitCode === 3) break
}
if (!seen.includes('exec')) throw new Error(`saw ${seen} only`)
await monitor.stop()
console.log('ok')
