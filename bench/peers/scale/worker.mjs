// This package in one worker thread, see workers.mjs.
/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
import { createRequire } from 'node:module'
import { parentPort } from 'node:worker_threads'
import { collect } from './answer.mjs'

const { getProcessMonitor } = createRequire(import.meta.url)('../../../dist/index.js')
const monitor = getProcessMonitor()
const counts = { exec: 0, exit: 0 }

const handlers = {
  boot() {},
  collect,
  async start() {
    monitor.subscribeExec((_, { origin }) => origin === 'kernel' && counts.exec++)
    monitor.subscribeExit(() => counts.exit++)
    await monitor.initialize()
  },
  async counts() {
    await monitor.flush()
    return { ...counts }
  },
  stop: () => monitor.stop(),
}
parentPort.on('message', async (request) => parentPort.postMessage((await handlers[request]()) ?? null))
