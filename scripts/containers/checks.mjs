// Tries one container: `doctor`, the events of its own and of foreign processes, and container ids from within and from the host.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { reasonOf, run } from './machine.mjs'
import { lastWith, runProcesses, runningNamed } from './outside.mjs'
import { COMMAND } from './root-file-system.mjs'

const NODE = '/usr/bin/node'
/** Processes that a container, and the host, starts for one observation. */
const [OWN, FOREIGN] = [10, 5]
/** Processes that the polling source may miss while other programs keep the machine busy. */
const MISSED_MAX = 1
/** Snapshots are taken each 250 ms, and each process is waited for. */
const FEW = 2
const OBSERVATION_MS = 60_000
const NOBODY = 65_534
const CONTAINER_ID = /[0-9a-f]{64}/
let count = 0

/** Resolves with the results of all checks of one container: `{ check, passed, text }`. */
export async function tryContainer(runtime, variant, expected, host) {
  const inside = (argv) => runtime.command(variant.options, wrapped(variant, argv))
  const doctor = run(inside([...COMMAND, 'doctor', '--json']))
  if (parsed(doctor.stdout) === null) {
    // Some containers cannot be made on this machine, for example without the capabilities that they are to have.
    const started = run(inside(['/bin/true']))
    if (started.status !== 0) return [skip('container', reasonOf(started))]
  }
  const results = [checkDoctor(doctor, variant, expected)]
  results.push(...(await observe(inside, runtime, variant, expected, host)))
  if (expected.differs && !expected.mayJoin) results.push(checkRefusals(run(inside([NODE, '/app/refusals.cjs']))))
  return results
}

function wrapped({ besideRoot }, argv) {
  return besideRoot ? [NODE, '/app/beside-root.cjs', ...argv] : argv
}

function checkDoctor({ status, stdout, stderr }, variant, { code, mayJoin }) {
  const report = parsed(stdout)
  if (report === null) return fail('doctor', `no report: ${reasonOf({ status, stderr })}`)
  const of = (name) => report.checks.find((check) => check.name === name)
  const { status: live, detail, advice } = of('live events')
  const named = /ERR_[A-Z_]+/.exec(detail)?.[0] ?? null
  const words = named === null ? `exit ${status}, live events` : `exit ${status}, \`${named}\``
  if (mayJoin && named === null && status === 0) return pass('doctor', words)
  const wanted = {
    ERR_NETWORK_NAMESPACE: ['--net=host --pid=host', '--source auto'],
    ERR_PID_NAMESPACE: ['--pid=host', '--source auto'],
    ERR_USER_NAMESPACE: ['--source auto'],
    ERR_PERMISSION: ['--source auto'],
  }
  const missing = (wanted[code] ?? []).filter((text) => !advice?.includes(text))
  if (named !== code || (live === 'ok') !== (code === null)) return fail('doctor', `${words}, expected ${code}`)
  if (status !== (code === null ? 0 : 3)) return fail('doctor', `${words}, expected another exit code`)
  if (missing.length > 0) return fail('doctor', `${words}, its advice lacks ${missing.join(', ')}`)
  if (variant.options.hidepid && !/hidepid=/.test(of('polling').detail)) return fail('doctor', 'hidepid is not named')
  return pass('doctor', words)
}

/** Observes from within while processes run on the host. */
async function observe(inside, runtime, variant, expected, host) {
  const token = `containers-${process.pid}-${++count}`
  const { isForeign, differs, seconds } = expected
  const [own, outside] = differs ? [FEW, FEW] : [OWN, FOREIGN]
  const order = { source: 'auto', token, own, seconds, differs }
  const [program, ...args] = inside([NODE, '/app/observe.cjs', JSON.stringify(order)])
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: OBSERVATION_MS })
  let complaints = ''
  child.stderr.on('data', (chunk) => (complaints += String(chunk)))
  const closed = once(child, 'close')
  let result
  let monitors = []
  for await (const line of createInterface({ input: child.stdout })) {
    const message = parsed(line)
    if (message?.type === 'ready') {
      if (host && runtime.hasMonitor) monitors = await runningNamed('conmon')
      const pids = await runProcesses(outside, seconds)
      child.stdin.end(JSON.stringify(isForeign ? pids : []))
    }
    if (message?.type === 'result') result = message
  }
  const [status] = await closed
  if (!result || result.error || !result.own) {
    return [fail('own processes', result?.error?.code ?? reasonOf({ status, stderr: complaints }))]
  }
  return [
    checkOwn(result, expected),
    checkForeign(result, expected),
    checkWarnings(result, expected, variant.options),
    checkLimits(result, variant.options, runtime),
    ...(host ? checkIds(result, lastWith(token), monitors, runtime) : []),
  ]
}

function parsed(line) {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

function checkOwn({ source, watching, own }, { code, mayJoin, hasExitCodes }) {
  const words = `${watching ?? source}, ${own.execs} execs and ${own.exits} exits of ${own.started}`
  if (!mayJoin && (source === 'netlink') !== (code === null)) return fail('own processes', `${words}, another source`)
  if (isTooFew(own, source)) return fail('own processes', words)
  const known = own.codes.filter((value) => value !== null)
  const isRight = known.every((value) => value === 7)
  if (!isRight || (hasExitCodes && known.length === 0)) return fail('own processes', `${words}, codes ${own.codes}`)
  return pass('own processes', `${words}, ${known.length > 0 ? 'with exit codes' : 'without exit codes'}`)
}

/** Returns true if events are missing. The connector reports all. */
function isTooFew({ started, execs, exits }, source) {
  return Math.min(execs, exits) < started - (source === 'netlink' ? 0 : MISSED_MAX)
}

/** Checks that the host's processes are seen with the host's pids, or not at all. */
function checkForeign({ source, foreign, strangers, containerId }, { isForeign }) {
  const name = 'foreign processes'
  if (!isForeign) return strangers > 0 ? fail(name, `${strangers} of another namespace told`) : pass(name, 'none told')
  const { started, execs, exits, codes } = foreign
  const words = `${execs} execs and ${exits} exits of ${started}`
  if (foreign.ids.some((id) => id !== null && id === containerId))
    return fail(name, `${words}, with the own container id`)
  if (isTooFew(foreign, source)) return fail(name, words)
  const known = codes.filter((value) => value !== null)
  if (known.some((value) => value !== 5)) return fail(name, `${words}, codes ${codes}`)
  if (source === 'netlink' && known.length === 0) return fail(name, `${words}, without exit codes`)
  return pass(name, `${words}, ${known.length > 0 ? 'with exit codes' : 'without exit codes'}`)
}

/** Checks that a fallback is told in one warning, a limit of /proc in another one, and nothing else. */
function checkWarnings({ source, warnings }, { differs }, { hidepid }) {
  const wanted = source === 'netlink' ? 0 : differs || hidepid ? 2 : 1
  if (warnings.length === wanted) return pass('warnings', String(wanted))
  return fail('warnings', `${warnings.length}: ${warnings.join(' · ')}`)
}

/** Checks that the container has the limits that it was made with, because the other checks would prove nothing without them. */
function checkLimits({ uid, seccomp, capabilities }, { user, hidepid, capDrop, privileged }, { hasSeccomp }) {
  const has = BigInt(`0x${capabilities}`)
  const words = `uid ${uid}, ${has.toString(2).replaceAll('0', '').length} capabilities, seccomp ${seccomp}`
  const isUser = uid === (user || hidepid ? NOBODY : uid)
  const isBare = has === 0n || !(user || hidepid || capDrop)
  const isFiltered = seccomp === '2' || !hasSeccomp || privileged === true
  return isUser && isBare && isFiltered ? pass('limits', words) : fail('limits', words)
}

/** Checks ids from within and from the host. A runtime without ids of its own has none. */
function checkIds({ containerId, cgroup }, seenByHost, monitors, { hasIds }) {
  const outer = seenByHost?.containerId
  if (seenByHost === undefined) return [fail('container id', 'the host has not seen the process')]
  const named = monitors.filter((details) => details.containerId !== null)
  const results = []
  if (monitors.length > 0) {
    const words = `${monitors.length} of conmon, ${named.length} with an id`
    results.push(named.length === 0 ? pass('monitor', words) : fail('monitor', words))
  }
  if (!hasIds) {
    const words = `${containerId ?? 'none'} within, ${outer ?? 'none'} from the host`
    return [...results, pass('container id', words)]
  }
  // A container without a cgroup of its own is in that of the program that started it.
  if (cgroup !== '/' && !CONTAINER_ID.test(cgroup) && containerId === null && outer === null) {
    return [...results, pass('container id', 'none, because it has no cgroup of its own')]
  }
  const isRight = CONTAINER_ID.test(containerId ?? '') && (outer === containerId || outer === null)
  const words = `within ${short(containerId)}, from the host ${outer === containerId ? 'the same' : short(outer)}`
  return [...results, isRight ? pass('container id', words) : fail('container id', words)]
}

function short(id) {
  return id === null || id === undefined ? 'none' : id.length > 12 ? `${id.slice(0, 12)}…` : id
}

/** Checks that calls with pids of the container's own namespace are refused. */
function checkRefusals({ status, stdout, stderr }) {
  const codes = parsed(stdout.trim().split('\n').at(-1))
  if (codes === null) return fail('own pids', reasonOf({ status, stderr }))
  const isRight = Object.values(codes).every((code) => /^(?:3 )?ERR_PROC_NAMESPACE$/.test(code))
  if (!isRight) return fail('own pids', JSON.stringify(codes))
  return pass('own pids', `\`ERR_PROC_NAMESPACE\` from ${Object.keys(codes).join(', ')}`)
}

const pass = (check, text) => ({ check, passed: true, text })
const fail = (check, text) => ({ check, passed: false, text })
const skip = (check, text) => ({ check, passed: null, text })
