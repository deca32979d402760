// Calls all that the native part offers, in the main thread and in a worker thread. The argument is the package's path.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { Worker, isMainThread, workerData } = require('node:worker_threads')

const path = isMainThread ? process.argv[2] : workerData
const { findDeletedProcesses, getProcessMonitor, probe, signalProcess } = require(path)

async function main() {
  await probe()
  findDeletedProcesses(new Set([process.pid, 2 ** 22 + 1]))
  const monitor = getProcessMonitor()
  const seen = []
  const capture = ['name', 'comm', 'ppid', 'exe', 'argv', 'cwd', 'uid', 'gid', 'loginUid', 'cgroup', 'startTime']
  monitor.subscribeExec(
    (pid, event) => seen.push({ pid, startTime: event.process.startTime, argv: event.process.argv }),
    {
      capture,
    },
  )
  monitor.subscribe('comm', () => {})
  monitor.subscribeExit((pid, { process: { argv } }) => seen.push({ pid, argv }), { capture })
  await monitor.initialize()
  // Arguments that do not fit into the first buffer of JavaScript.
  const long = Array.from({ length: 40 }, () => 'x'.repeat(1500))
  const child = spawn('/bin/sh', ['-c', 'read line', ...long])
  while (!seen.some(({ pid }) => pid === child.pid)) await new Promise((resolve) => setTimeout(resolve, 2))
  const { startTime, argv } = seen.find(({ pid }) => pid === child.pid)
  const exit = monitor.waitForExit(child.pid, { startTime })
  if (!signalProcess({ pid: child.pid, startTime }, 'SIGTERM')) throw new Error('not signalled')
  const { signal } = await exit
  await monitor.flush()
  if (!isMainThread) return monitor.stop()
  const worker = new Worker(__filename, { workerData: path })
  await once(worker, 'exit')
  monitor.stats()
  await monitor.stop()
  console.log(JSON.stringify({ signal, length: argv.join('').length }))
}

main()
