// Runs the checks in a guest, as root. Each result is a line `@@ {"check", "ok", "text", "seconds"}` on the console.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'

const GUEST = '/srv/guest'
const APP = '/srv/app'
const REPOSITORY = '/srv/repository'
const CLI = `${APP}/node_modules/proc-events/dist/src/cli/main.js`
const setpriv = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']
const USERS = {
  root: [],
  user: [...setpriv, '--inh-caps=-all'],
  net_admin: [...setpriv, '--inh-caps=+net_admin', '--ambient-caps=+net_admin'],
}
/** The kernel's version as a number: 6.12 is 612. */
const [major, minor] = release().split('.').map(Number)
const VERSION = major * 100 + minor
/** The first kernels that let any user listen, and that grant time slices. */
const [ANY_USER, SLICES] = [606, 612]

const parameters = Object.fromEntries(
  [...readFileSync('/proc/cmdline', 'utf8').matchAll(/pe\.(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
)
const isSlow = parameters.accel === 'tcg'
const patience = isSlow ? 10 : 2

function say(line) {
  process.stdout.write(`\n@@ ${JSON.stringify(line)}\n`)
}

function report(check, ok, text, began) {
  say({ check, ok, text, seconds: Math.round((Date.now() - began) / 1000) })
}

/** Runs a command. Returns its exit code, and what it wrote to both streams. */
function run([command, ...args], options = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: patience * 60_000,
    cwd: APP,
    maxBuffer: 1e8,
    ...options,
  })
  return {
    status: status ?? signal ?? error?.code,
    stdout: stdout ?? '',
    stderr: stderr ?? '',
    text: `${stdout}${stderr}`,
  }
}

/** Runs a program of this folder that prints one line of JSON. */
function program(user, name, ...args) {
  const { stdout, stderr, status } = run([...USERS[user], 'node', join(GUEST, name), ...args.map(String)])
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1))
  } catch {
    return { error: `exit code ${status}: ${stderr.trim().split('\n').at(-1)}` }
  }
}

/** Returns true if a program failed as it must for an ordinary user of an old kernel. */
function isRefused(user, { error }) {
  return user === 'user' && VERSION < ANY_USER && error === 'ERR_PERMISSION'
}

function perUser(check, name, args, judge) {
  for (const user of Object.keys(USERS)) {
    const began = Date.now()
    const result = program(user, name, ...args)
    if (isRefused(user, result)) report(`${check} ${user}`, true, result.error, began)
    else if (result.error) report(`${check} ${user}`, false, result.error, began)
    else report(`${check} ${user}`, ...judge(result, user), began)
  }
}

/** The programs that start processes, compiled here. */
function compile() {
  mkdirSync('/tmp/bin')
  const cc = (...args) => {
    const { status, stderr } = run(['cc', '-O2', ...args], { cwd: REPOSITORY })
    if (status !== 0) throw new Error(`cc: ${status} ${stderr.trim()}`)
  }
  cc('-DEND=0', '-nostdlib', '-static', '-o', '/tmp/bin/end', '__test__/support/load.c')
  cc('-pthread', '-o', '/tmp/bin/load', 'bench/load.c')
  cc('-o', '/tmp/bin/listener', 'bench/peers/listener.c')
  run(['chmod', '-R', 'a+rX', '/tmp/bin'])
}

const checks = {
  doctor() {
    for (const user of Object.keys(USERS)) {
      const began = Date.now()
      const { status, text } = run([...USERS[user], 'node', CLI, 'doctor'])
      const mayFail = user === 'user' && VERSION < ANY_USER && /ERR_PERMISSION/.test(text)
      const failed = /^failed +(.*)$/m.exec(text)?.[1] ?? ''
      report(
        `doctor ${user}`,
        status === (mayFail ? 3 : 0),
        mayFail ? `${status} (ERR_PERMISSION)` : `${status} ${failed}`.trim(),
        began,
      )
    }
  },

  smoke() {
    perUser('smoke', 'smoke.mjs', [patience], ({ ok, text }) => [ok, text])
  },

  namespaces() {
    const cases = [
      ['user namespace', ['unshare', '-U', '-r'], 'ERR_USER_NAMESPACE'],
      ['pid namespace', ['unshare', '-p', '-f', '--mount-proc'], 'ERR_PID_NAMESPACE'],
      ['network namespace', ['unshare', '-n', ...USERS.net_admin], 'ERR_NETWORK_NAMESPACE'],
    ]
    for (const [name, environment, expected] of cases) {
      const began = Date.now()
      const { stdout, stderr } = run([...environment, 'node', join(GUEST, 'smoke.mjs'), String(patience)])
      const code = /ERR_\w+/.exec(stdout)?.[0] ?? stderr.trim().split('\n').at(-1)
      report(name, code === expected, code, began)
    }
  },

  /** A user without real-time priority gets a slice since Linux 6.12, and is not told of one before. */
  priority() {
    perUser('priority', 'priority.mjs', [], ({ priority, isFifo }, user) => {
      const expected = user === 'root' ? 'realtime' : VERSION >= SLICES ? 'short-slice' : 'ordinary'
      return [priority === expected, `${priority}${isFifo ? ', SCHED_FIFO' : ''}`]
    })
  },

  capture() {
    const count = isSlow ? 60 : 200
    perUser('capture', 'capture.mjs', [count, patience], ({ execs, argv, loopExecs, loopArgv, wrong }) => [
      execs === count && loopExecs === count && wrong === 0,
      `${argv} of ${execs}, static ${loopArgv} of ${loopExecs}`,
    ])
  },

  /** Compares the package with a listener without any library. */
  storm() {
    const began = Date.now()
    const { error, ...seen } = program('root', 'storm.mjs', isSlow ? 5000 : 20_000, patience)
    const { started, kernelExecs, execs, kernelExits, exits, lost, unknown } = seen
    const text = `kernel ${kernelExecs}/${kernelExits}, package ${execs}/${exits} of ${started}; lost ${lost}`
    report(
      'storm',
      !error && execs === kernelExecs && exits === kernelExits && lost === 0 && unknown === 0,
      error ?? text,
      began,
    )
  },

  hidepid() {
    run(['mount', '-o', 'remount,hidepid=2', '/proc'])
    for (const user of ['root', 'net_admin']) {
      const began = Date.now()
      const { status, text } = run([...USERS[user], 'node', CLI, 'doctor'])
      const state = /^(\w+) +polling/m.exec(text)?.[1]
      const isRight = status === 0 && state === (user === 'root' ? 'ok' : 'warning') && /^ok +self-test/m.test(text)
      report(`hidepid=2 ${user}`, isRight, `doctor ${status}, polling ${state}`, began)
    }
    run(['mount', '-o', 'remount,hidepid=0', '/proc'])
  },

  cpuset() {
    inCpuset('cpuset, cgroup v2', '/sys/fs/cgroup', () =>
      writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+cpuset'),
    )
  },

  cgroup1() {
    const began = Date.now()
    writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '-cpuset')
    run(['umount', '/sys/fs/cgroup'])
    run(['mount', '-t', 'tmpfs', 'cgroup', '/sys/fs/cgroup'])
    mkdirSync('/sys/fs/cgroup/cpuset')
    const { status, stderr } = run(['mount', '-t', 'cgroup', '-o', 'cpuset', 'cpuset', '/sys/fs/cgroup/cpuset'])
    if (status !== 0) report('cpuset, cgroup v1', true, `not supported: ${stderr.trim().split('\n')[0]}`, began)
    else
      inCpuset('cpuset, cgroup v1', '/sys/fs/cgroup/cpuset', (group) => writeFileSync(join(group, 'cpuset.mems'), '0'))
  },

  hotplug() {
    const began = Date.now()
    const { error, phases, text } = program('root', 'hotplug.mjs', isSlow ? 40 : 100, patience)
    if (error) report('hotplug', false, error, began)
    else for (const { name, ok, text: of } of phases) report(`hotplug: ${name}`, ok, of, began)
    if (text) process.stdout.write(text)
  },

  specs() {
    const isLeftOut = (name) => isSlow && TOO_FAST.has(name)
    for (const name of specs.filter((of) => !isLeftOut(of))) runSpec(name)
    if (isSlow) report('specs left out', true, specs.filter(isLeftOut).join(', '), Date.now())
  },
}

/** The specs of `__test__/kernel`, without `.spec.ts`. Each is also a check of its own: `kinds.spec`. */
const specs = readdirSync(join(REPOSITORY, '__test__', 'kernel'))
  .filter((name) => name.endsWith('.spec.ts'))
  .map((name) => name.replace('.spec.ts', ''))

function runSpec(name) {
  const began = Date.now()
  const file = `__test__/kernel/${name}.spec.ts`
  // Each spec has a file of its own, because one that is ended late may still write.
  const tap = `/tmp/${name}.tap`
  const ava = ['node', 'node_modules/ava/entrypoints/cli.js', '--tap', '--timeout=30m', file]
  const env = { ...process.env, PROC_EVENTS_PATIENCE: String(patience), NO_COLOR: '1' }
  // Compiling takes a translator longer than reading.
  env.NODE_COMPILE_CACHE = '/tmp/compiled'
  // The console shows where a test hangs. `timeout` ends all processes of the spec.
  const limit = ['timeout', '-k', '10', String(patience * 90)]
  const command = [
    ...limit,
    'bash',
    '-o',
    'pipefail',
    '-c',
    'tap=$1; shift; "$@" 2>&1 | tee "$tap"',
    'bash',
    tap,
    ...ava,
  ]
  const { status } = run(command, { cwd: REPOSITORY, env, timeout: patience * 120_000, stdio: ['ignore', 1, 1] })
  const text = readFileSync(tap, 'utf8')
  const [passed, failed] = [/^ok (?!.*# SKIP)/gm, /^not ok/gm].map((pattern) => text.match(pattern)?.length ?? 0)
  const ended = status === 124 ? 'the time limit' : failed === 0 && status !== 0 ? String(status) : undefined
  const trouble = `${failed > 0 ? `, ${failed} failed` : ''}${ended === undefined ? '' : `, ended by ${ended}`}`
  const reasons = new Set([...text.matchAll(/not tested: (.*)/g)].map(([, reason]) => reason))
  const untested = reasons.size > 0 ? `; not tested: ${[...reasons].join(', ')}` : ''
  report(`${name} spec`, status === 0 && passed > 0, `${passed} passed${trouble}${untested}`, began)
}

/** Specs that compare durations with real ones, or need a speed that QEMU's translator does not have. */
const TOO_FAST = new Set(['bomber', 'latency', 'loss', 'hung', 'at-once'])

function inCpuset(name, parent, prepare) {
  const began = Date.now()
  const group = join(parent, 'pe')
  try {
    if (parent === '/sys/fs/cgroup') prepare(group)
    mkdirSync(group)
    writeFileSync(join(group, 'cpuset.cpus'), '0-1')
    if (parent !== '/sys/fs/cgroup') prepare(group)
    const { stdout, stderr } = run([
      'sh',
      '-c',
      'echo $$ > "$1/cgroup.procs"; exec node "$2" "$3" "$4"',
      'sh',
      group,
      join(GUEST, 'capture.mjs'),
      '40',
      String(patience),
    ])
    const { error, execs, argv, loopExecs, loopArgv } = JSON.parse(stdout.trim().split('\n').at(-1) || '{}')
    report(
      name,
      !error && execs === 40 && loopExecs === 40,
      error ?? (stderr.slice(0, 100) || `${argv} of ${execs}, static ${loopArgv} of ${loopExecs}`),
      began,
    )
    rmdirSync(group)
  } catch (error) {
    report(name, error.code === 'EBUSY', error.message, began)
  }
}

const [, pageKib] = /^KernelPageSize: +(\d+)/m.exec(readFileSync('/proc/self/smaps', 'utf8'))
say({ release: release(), pageKib: Number(pageKib) })
const names = (parameters.checks ?? '').split(',').filter(Boolean)
try {
  compile()
  for (const name of names) {
    const began = Date.now()
    try {
      if (checks[name]) checks[name]()
      else if (specs.includes(name.replace(/\.spec$/, ''))) runSpec(name.replace(/\.spec$/, ''))
      else report(name, false, 'no such check', began)
    } catch (error) {
      report(name, false, String(error.message).split('\n')[0], began)
    }
  }
  const trouble = run(['dmesg'])
    .stdout.split('\n')
    .filter((line) => /lockup|stall|BUG:|WARNING:|hung task|Oops|RT throttling/.test(line))
  report('kernel log', trouble.length === 0, trouble[0] ?? 'no warning', Date.now())
  say({ end: true })
} catch (error) {
  report('guest', false, String(error.message), Date.now())
}
