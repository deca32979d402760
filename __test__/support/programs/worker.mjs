// A worker thread with its own monitor. It posts 'ready', then the pid of every reported exit. Any message makes it stop
// and post 'stopped'. The data of the thread are the options of `initialize`.
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
monitor.subscribeExec(() => {})
monitor.subscribeExit((pid) => parentPort.postMessage(pid))
await monitor.initialize(workerData ?? {})
parentPort.postMessage('ready')
parentPort.once('message', () => void monitor.stop().then(() => parentPort.postMessage('stopped')))
