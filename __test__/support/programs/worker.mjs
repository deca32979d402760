// A worker thread that monitors for itself. It posts 'ready', then the number of every process whose exit it is told;
// any message to it makes it stop, and post 'stopped'.
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
