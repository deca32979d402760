// The installed package, as CommonJS has it: a real process is seen from its exec to its exit.

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
    // Which exit it is, is known when the callback runs, but it must be subscribed to before the process starts.
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
