// Watches a real process with the installed package from CommonJS, from its exec to its exit.

const { spawn } = require('node:child_process')
const { getProcessMonitor, probe } = require('proc-events')

const monitor = getProcessMonitor()
const late = setTimeout(() => {
  console.error('no exec and exit within 10 s')
  process.exit(1)
}, 10_000)

async function main() {
  const execs = new Map()
  monitor.subscribeExec((pid, event) => execs.set(pid, event), { capture: ['name'] })
  const { netlink, hint } = await probe()
  if (!netlink) throw new Error(hint)
  await monitor.initialize()
  const seen = new Promise((done) => {
    // Subscribe to all exits before the process starts, because its pid is known only afterwards.
    monitor.subscribeExit((pid, { exitCode }) => {
      if (pid !== child.pid || exitCode !== 3) return
      if (!execs.has(pid)) throw new Error('an exit without an exec')
      done()
    })
  })
  const child = spawn('/bin/sh', ['-c', 'exit 3'])
  await seen
  await monitor.stop()
  clearTimeout(late)
  console.log('ok')
}

main()
