// A module of a utility process. It posts the events of a program, by name. The message 'stop' ends it, and so does the end of
// the channel.
/* oxlint-disable unicorn/require-post-message-target-origin -- a port is no window */

const { readFileSync } = require('node:fs')
const { getProcessMonitor } = require('proc-events')

const { parentPort } = process
const monitor = getProcessMonitor()
let stopped
const stop = () => (stopped ??= monitor.stop())

process.on('disconnect', stop)
parentPort.on('message', async ({ data }) => {
  if (data === 'stop') {
    await stop()
    parentPort.postMessage({ type: 'stopped' })
    process.disconnect()
    return
  }
  const { name } = data
  monitor.subscribeExec((pid, { type }) => parentPort.postMessage({ type, pid }), { name })
  monitor.subscribeExit((pid, { type, exitCode }) => parentPort.postMessage({ type, pid, exitCode }), { name })
  await monitor.initialize()
  const [library] = /\S+\.node$/m.exec(readFileSync('/proc/self/maps', 'utf8'))
  parentPort.postMessage({ type: 'ready', library })
})
