// Asks for what needs the pids of this process's own namespace, and prints how each call ends, as JSON. $HOST_PROC names the /proc
// of another pid namespace.
const { spawn, spawnSync } = require('node:child_process')
const { findDeletedProcesses, getProcessMonitor } = require('proc-events')

const command = require.resolve('proc-events/package.json').replace('package.json', 'dist/src/cli/main.js')
const result = {}

/** Resolves with the code of an error, or with `none`. A wait for a stranger would not end. */
async function codeOf(call) {
  const late = new Promise((resolve) => setTimeout(resolve, 3000, 'a wait without an end').unref())
  try {
    return await Promise.race([Promise.resolve(call()).then(() => 'none'), late])
  } catch ({ code }) {
    return code
  }
}

function codeOfCommand(...args) {
  const { status, stderr } = spawnSync(process.execPath, [command, ...args], { encoding: 'utf8', timeout: 10_000 })
  return `${status} ${/ERR_[A-Z_]+/.exec(stderr)?.[0] ?? ''}`.trim()
}

async function main() {
  const monitor = getProcessMonitor()
  await monitor.initialize({ source: 'auto' })
  const child = spawn('/bin/sleep', ['30'], { stdio: 'ignore' })
  result.waitForExit = await codeOf(() => monitor.waitForExit(child.pid))
  result.findDeletedProcesses = await codeOf(() => findDeletedProcesses(new Set([child.pid])))
  result.wait = codeOfCommand('wait', '--source', 'auto', '--duration', '3', String(child.pid))
  result.run = codeOfCommand('run', '--source', 'auto', '--', '/bin/true')
  child.kill()
  await monitor.stop()
  console.log(JSON.stringify(result))
}

main()
