// Uses two copies of the package in one process, and one of them in a worker thread, too. The arguments are their paths. It
// prints the number of native threads at each step.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { readFileSync, readdirSync } = require('node:fs')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')

function readers() {
  const name = (tid) => {
    try {
      return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8')
    } catch {
      return ''
    }
  }
  return readdirSync('/proc/self/task').filter((tid) => name(tid) === 'proc-events\n').length
}

async function started(path) {
  const monitor = require(path).getProcessMonitor()
  const exits = new Set()
  monitor.subscribeExit((pid) => exits.add(pid))
  await monitor.initialize()
  return { monitor, exits }
}

/** Runs a program, and waits until all of these monitors have reported its exit. */
async function seenBy(...monitors) {
  const child = spawn('/bin/true')
  while (!monitors.every(({ exits }) => exits.has(child.pid))) await new Promise((resolve) => setTimeout(resolve, 2))
}

async function main() {
  const [first, second] = process.argv.slice(2)
  const numbers = []
  const one = await started(first)
  const two = await started(second)
  await seenBy(one, two)
  numbers.push(readers())
  const worker = new Worker(__filename, { workerData: second })
  await once(worker, 'message')
  await seenBy(one, two)
  numbers.push(readers())
  await worker.terminate()
  await one.monitor.stop()
  await seenBy(two)
  numbers.push(readers())
  const again = await started(first)
  await two.monitor.stop()
  await seenBy(again)
  await again.monitor.stop()
  numbers.push(readers())
  console.log(JSON.stringify(numbers))
}

/* oxlint-disable unicorn/require-post-message-target-origin -- a thread is no window */
if (isMainThread) main()
else
  started(workerData)
    .then(seenBy)
    .then(() => parentPort.postMessage('seen'))
