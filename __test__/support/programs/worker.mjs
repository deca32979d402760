// A worker thread with its own monitor. It posts 'ready', then the pid of every reported exit. Any message makes it stop
// and post 'stopped'.
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { createRequire } from 'node:module'
import { parentPort } from 'node:worker_threads'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
monitor.subscribeExec(() => {})
monitor.subscribeExit((pid) => parentPort.postMessage(pid))
await monitor.initialize()
parentPort.postMessage('ready')
parentPort.once('message', () => void monitor.stop().then(() => parentPort.postMessage('stopped')))
