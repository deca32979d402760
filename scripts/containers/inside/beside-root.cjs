// Runs a command as user nobody, beside a process of root that runs as long: `beside-root.cjs COMMAND ARG…`.
const { spawn } = require('node:child_process')

const [command, ...args] = process.argv.slice(2)
const other = spawn('/bin/sleep', ['60'], { stdio: 'ignore' })
const child = spawn(command, args, { stdio: 'inherit', uid: 65534, gid: 65534 })
child.once('exit', (code) => {
  other.kill()
  process.exitCode = code ?? 1
})
