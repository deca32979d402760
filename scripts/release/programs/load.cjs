// Tests the native part without kernel events, as under an emulator. It loads, it reads /proc, and it rejects with a typed
// error.

const { findDeletedProcesses, getProcessMonitor, probe, ProcessMonitorError } = require('proc-events')

async function main() {
  const report = await probe()
  if (report.reason === 'ERR_NATIVE_BINDING') throw new Error(report.hint)
  const ended = findDeletedProcesses(new Set([process.pid, 2 ** 22 + 1]))
  if (ended.size !== 1 || ended.has(process.pid)) throw new Error(`ended: ${[...ended]}`)
  const monitor = getProcessMonitor()
  const found = new Set()
  monitor.subscribeExec((pid) => found.add(pid))
  await monitor.initialize({ source: 'polling' })
  if (!found.has(process.pid)) throw new Error('the scan did not find this process')
  await monitor.stop()
  if (!report.netlink) {
    const error = await getProcessMonitor()
      .initialize()
      .catch((reason) => reason)
    if (!(error instanceof ProcessMonitorError)) throw new Error(`no typed error: ${error}`)
  }
  console.log(`ok ${process.arch}, netlink: ${report.reason ?? 'yes'}`)
}

main()
