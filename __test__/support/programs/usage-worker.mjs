// A worker thread that subscribes to exits, with their costs if its data say so. Posts 'ready', and each exit. The message
// 'end' makes it stop and post 'stopped'.
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
const capture = workerData.hasUsage ? ['usage'] : []
monitor.subscribeExit((_, event) => parentPort.postMessage({ ...event, process: {} }), {
  ancestor: process.pid,
  capture,
})
await monitor.initialize()
await monitor.flush()
parentPort.postMessage('ready')
parentPort.once('message', () => void monitor.stop().then(() => parentPort.postMessage('stopped')))
