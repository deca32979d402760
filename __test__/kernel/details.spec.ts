/** Captured details on the real kernel, against /proc while the process runs. */
import { spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type ProcessField, type ProcessInfo, getProcessMonitor } from '../../dist/index.js'
import { lines, monitoring, run, temporaryFolder, until } from '../support/helpers.ts'

const serial = test.serial
const ALL: ProcessField[] = ['name', 'ppid', 'exe', 'argv', 'cwd', 'uid', 'gid', 'cgroup', 'startTime']

/** The bytes of each argument as Python literals, because Node.js can pass only UTF-8. */
const ODD = [
  `b''`,
  `b'two words'`,
  `b'line\\nbreak'`,
  `b'\\xff\\xfe not utf-8'`,
  `'h\u00e9llo'.encode()`,
  `b'' `,
  `b'x' * 100000`,
  `b'y' * 100000`,
]

/** Returns the bytes as the package formats them, with escapes if they are not UTF-8. */
function readable(bytes: Buffer): string {
  return bytes.equals(Buffer.from(bytes.toString('utf8')))
    ? bytes.toString('utf8')
    : bytes.toString('latin1').replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
}

/** Returns the path of cgroup v2, or of a v1 hierarchy if the v2 path is the root. */
function cgroupOf(text: string): string {
  const paths = ['0::', '.*:memory:', '.*:pids:'].map(
    (hierarchy) => new RegExp(`^${hierarchy}(/.+)$`, 'm').exec(text)?.[1],
  )
  return paths.find((path) => path !== undefined) ?? '/'
}

function fromProc(pid: number): ProcessInfo {
  const text = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8')
  const stat = text('stat').split(') ')[1]!.split(' ')
  const ids = (name: string): number => Number(new RegExp(`^${name}:\t(\\d+)`, 'm').exec(text('status'))![1])
  const cmdline = readFileSync(`/proc/${pid}/cmdline`)
  const argv: string[] = []
  for (let at = 0; at < cmdline.length;) {
    const end = cmdline.indexOf(0, at)
    argv.push(readable(cmdline.subarray(at, end)))
    at = end + 1
  }
  return {
    name: text('comm').trim(),
    ppid: Number(stat[1]),
    exe: readlinkSync(`/proc/${pid}/exe`),
    argv,
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    uid: ids('Uid'),
    gid: ids('Gid'),
    cgroup: cgroupOf(text('cgroup')),
    containerId: null,
    startTime: Number(stat[19]),
  }
}

serial('all details of a process with odd arguments equal /proc, at exec and at exit', async (t) => {
  for (let round = 0; !(await checkDetails(t)); round++) {
    if (round === 10) return t.fail('the arguments were never read in time')
    t.log('the arguments were not read in time')
  }
})

/** Checks the details of one process. Returns false if a busy machine took too long to read the arguments, and counted that. */
async function checkDetails(t: ExecutionContext): Promise<boolean> {
  const program =
    `import os\nos.chdir('/usr')\nos.setgid(65533)\nos.setuid(65534)\n` +
    `os.execv('/bin/cat', [b'cat', b'-', b'--'] + [${ODD.join(', ')}])`
  const reported: { type: string; info: ProcessInfo }[] = []
  let isInTime = true
  await monitoring(
    async (monitor) => {
      const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'ignore'] })
      const pid = child.pid!
      monitor.subscribeExec((at, { type, process: info }) => at === pid && reported.push({ type, info }), {
        capture: ALL,
      })
      monitor.subscribeExit((at, { type, process: info }) => at === pid && reported.push({ type, info }))
      await until('the second exec is reported', () => reported.some(({ info }) => info.name === 'cat'))
      // An echo shows that the process is past its exec.
      child.stdin.write('ready\n')
      t.is((await lines(child).next()).value, 'ready')
      const truth = fromProc(pid)
      t.is(truth.argv!.length, 3 + ODD.length)
      t.is(truth.uid, 65534)
      t.is(truth.cwd, '/usr')
      child.stdin.end()
      await until('the exit is reported', () => reported.at(-1)!.type === 'exit')
      const cat = reported.filter(({ info }) => info.name === 'cat')
      t.deepEqual(
        cat.map(({ type }) => type),
        ['exec', 'exit'],
      )
      isInTime = monitor.stats().captureTimeouts === 0 || cat.every(({ info }) => info.argv !== null)
      if (isInTime) for (const { info } of cat) t.deepEqual(info, truth)
    },
    { maxArgvBytes: 2 ** 20 },
  )
  return isInTime
}

serial('a process that runs before the start has the same details', async (t) => {
  const child = spawn('sleep', ['60'])
  const monitor = getProcessMonitor()
  const reported: ProcessInfo[] = []
  try {
    monitor.subscribeExec((pid, { process: info }) => pid === child.pid && reported.push(info), { capture: ALL })
    await monitor.initialize()
    t.deepEqual(reported, [fromProc(child.pid!)])
    child.kill()
    await until('it has exited', () => child.signalCode !== null)
  } finally {
    await monitor.stop()
  }
})

serial('a filter by cwd selects execs, exits, iterators and replays by the directory at the exec', async (t) => {
  const cwd = temporaryFolder(t)
  const seen: string[] = []
  await monitoring(async (monitor) => {
    const events = monitor.events({ cwd })
    monitor.subscribeExec((pid) => seen.push(`exec ${pid}`), { cwd })
    monitor.subscribeExit((pid, { process: info }) => seen.push(`exit ${pid} ${info.cwd}`), {
      cwd: new RegExp(`^${cwd}$`),
    })
    await run('/bin/sleep', ['0'])
    const child = spawn('/bin/sh', ['-c', 'cd / && read line'], { cwd, stdio: ['pipe', 'ignore', 'ignore'] })
    const pid = child.pid!
    await until('the exec is reported', () => seen.length > 0)
    monitor.subscribeExec((found, { origin }) => seen.push(`${origin} ${found}`), { cwd, replay: true })
    await until('the replay reports it', () => seen.length > 1)
    child.stdin.end()
    await until('the exit is reported', () => seen.length > 2)
    t.deepEqual(seen, [`exec ${pid}`, `bootstrap ${pid}`, `exit ${pid} ${cwd}`])
    for (const type of ['exec', 'exit']) t.like((await events.next()).value, { type, pid, process: { cwd } })
  })
})

serial('a too long argument vector is cut and marked', async (t) => {
  const size = 130_000
  const reported: ProcessInfo[] = []
  await monitoring(async (monitor) => {
    monitor.subscribeExec((_, { process: info }) => info.argv?.[1] === 'pe-long' && reported.push(info), {
      capture: ['argv'],
    })
    const child = spawn('/bin/sleep', ['pe-long', ...Array.from({ length: 10 }, () => 'z'.repeat(size))], {
      stdio: 'ignore',
    })
    await until('the process is reported', () => reported.length > 0)
    const [{ argv, argvTruncated }] = reported as [ProcessInfo]
    t.is(argvTruncated, true)
    // The NUL after the last argument is byte 65,536.
    t.is(argv!.join('\0').length, 2 ** 16 - 1)
    t.true(argv!.at(-1)!.length < size)
    child.kill()
  })
})

serial('maxArgvBytes cuts arguments by their text', async (t) => {
  const reported: ProcessInfo[] = []
  const program = `import os\nos.execv('/bin/true', [b'true', b'pe-cut', b'\\xff' * 100000])`
  await monitoring(
    async (monitor) => {
      const isIt = ({ argv }: ProcessInfo): boolean => argv?.[1] === 'pe-cut'
      monitor.subscribeExec((_, { process: info }) => isIt(info) && reported.push(info), { capture: ['argv'] })
      monitor.subscribeExit((_, { process: info }) => isIt(info) && reported.push(info))
      await run('python3', ['-c', program])
      await until('the exit is reported', () => reported.length === 2)
    },
    { maxArgvBytes: 1000 },
  )
  // `true`, `pe-cut` and the NULs take 13 bytes, and 986 are left for an argument: 246 escapes of four.
  const expected = { argv: ['true', 'pe-cut', String.raw`\xff`.repeat(246)], argvTruncated: true }
  t.deepEqual<object[], object[]>(reported, [expected, expected])
})

serial("the thread's scheduling follows the captured fields and can be declined", async (t) => {
  const monitor = getProcessMonitor()
  try {
    await monitor.initialize()
    t.is(monitor.stats().priority, 'ordinary')
    const unsubscribe = monitor.subscribeExec(() => {}, { capture: ['name'] })
    // The tests run as root.
    await until('it is in a hurry', () => monitor.stats().priority === 'realtime')
    unsubscribe()
    await until('it is no longer', () => monitor.stats().priority === 'ordinary')
    await monitor.stop()
    getProcessMonitor()
    monitor.subscribeExec(() => {}, { capture: ['name'] })
    await monitor.initialize({ priority: 'ordinary' })
    t.is(monitor.stats().priority, 'ordinary')
  } finally {
    await monitor.stop()
  }
})
