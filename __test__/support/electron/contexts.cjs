// Uses the package from another V8 context, with that context's objects, functions and classes, as a page with Node.js does in
// Electron. The arguments are the package's path and a program.

const { spawn } = require('node:child_process')
const { createContext, runInContext } = require('node:vm')

const [path, program] = process.argv.slice(2)
let child
// The program runs until its exec is seen, because its details could be gone otherwise.
const start = () => (child = spawn(program, ['-c', 'read line; exit 3'])).pid
const end = () => child.stdin.end()
const page = createContext({
  api: require(path),
  start,
  end,
  print: (value) => console.log(JSON.stringify(value)),
  program,
})

runInContext(
  `(async () => {
    const { findDeletedProcesses, getProcessMonitor } = api
    const name = program.split('/').at(-1)
    const monitor = getProcessMonitor()
    const filter = { name: new RegExp('^' + name + '$'), exe: program, capture: ['name', 'exe'], signal: undefined }
    const names = new Map()
    monitor.subscribeExec((of, event) => { names.set(of, event.process.name); end() }, filter)
    await monitor.initialize({ source: 'auto' })
    let pid
    const exit = new Promise((resolve) => {
      monitor.subscribeExit((of, event) => { if (of === pid) resolve(event) }, { name })
    })
    pid = start()
    const { exitCode } = await exit
    if (!findDeletedProcesses(new Set([pid, 4194305])).has(4194305)) throw new Error('not deleted')
    if (!findDeletedProcesses(new Map([[4194305, 'x']])).has(4194305)) throw new Error('not deleted')
    const codes = []
    for (const options of [[], new Map(), /x/]) {
      try { monitor.subscribeExec(() => {}, options) } catch (error) { codes.push(error.code) }
    }
    await monitor.stop()
    print({ name: names.get(pid), exitCode, codes })
  })()`,
  page,
)
