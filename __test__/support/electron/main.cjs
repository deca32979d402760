// An application's main process. It starts utility.cjs, runs a program, and prints what that reported and how it ended. The
// arguments are a program and how to end the utility process: 'stop', 'disconnect' or 'kill'.

const { fork, spawn } = require('node:child_process')
const { once } = require('node:events')
const { basename, join } = require('node:path')
const { getProcessMonitor } = require('proc-events')

const [program, way] = process.argv.slice(2)

async function main() {
  const monitor = getProcessMonitor()
  const own = []
  const name = basename(program)
  monitor.subscribeExec((pid, { type }) => own.push({ type, pid }), { name })
  monitor.subscribeExit((pid, { type, exitCode }) => own.push({ type, pid, exitCode }), { name })
  await monitor.initialize()
  const utility = fork(join(__dirname, 'utility.cjs'), { serialization: 'advanced' })
  const ended = once(utility, 'exit')
  const messages = []
  const has = (type) => messages.some((message) => message.type === type)
  utility.on('message', (message) => messages.push(message))
  const until = async (holds) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  utility.send({ name })
  await until(() => has('ready'))
  // The program runs until its exec is seen, because its name could be gone otherwise.
  const child = spawn(program, ['-c', 'read line; exit 3'])
  await until(() => has('exec') && own.length > 0)
  child.stdin.end()
  await until(() => has('exit') && own.some(({ type }) => type === 'exit'))
  if (way === 'stop') {
    utility.send('stop')
    await until(() => has('stopped'))
  } else {
    utility[way]()
  }
  const [code, signal] = await ended
  await monitor.stop()
  const { library } = messages.find(({ type }) => type === 'ready')
  const reported = messages.filter(({ type }) => type === 'exec' || type === 'exit')
  console.log(JSON.stringify({ pid: child.pid, own, reported, library, code, signal }))
}

main()
