/** Turns the facts about a machine into checks: the state of each feature, and advice. */
import { formatDuration, plural } from '../output/format.js'

export interface Facts {
  readonly version: string
  readonly node: string
  readonly kernel: string
  readonly user: string
  readonly procRoot: string
  /** The reason why live events are unavailable, and the next thing to do; null if they are available. */
  readonly netlink: Problem | null
  /** The same for the costs of processes. */
  readonly usage: Problem | null
  readonly polls: boolean
  /** True if `/proc` shows the processes of another pid namespace. */
  readonly isForeign: boolean
  /** The names of this process's relevant capabilities. */
  readonly capabilities: readonly string[]
  /** The mount option of /proc that hides other users' processes; null if there is none. */
  readonly hidepid: string | null
  /** null if it could not run. */
  readonly selfTest: SelfTest | null
  /** The same with the polling source; null if it could not run. */
  readonly pollingTest: PollingTest | null
}

export interface Problem {
  readonly code: string
  readonly hint: string
}

/** The result of starting processes and counting their events. */
export interface SelfTest {
  readonly priority: string | null
  readonly receiveBufferSize: number
  readonly tracked: number
  readonly started: number
  readonly execs: number
  readonly exits: number
  /** Number of processes whose arguments were captured. */
  readonly captured: number
  /** Nanoseconds from the kernel's time of each event to its callback. */
  readonly latenciesNs: readonly number[]
}

/** The short-lived processes that the polling source saw. */
export interface PollingTest extends Pick<SelfTest, 'started' | 'execs' | 'exits'> {
  readonly watching: 'perf' | 'cursor' | 'snapshot' | null
}

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failed'
  readonly detail: string
  readonly advice: string | null
}

const GROUP = "Run as root, or as a member of the mount's group (gid=)."
/** The default size of the receive buffer, in bytes. */
const BUFFER_BYTES = 8 * 2 ** 20

export function diagnose(facts: Facts): readonly Check[] {
  return [
    check('system', 'ok', `Linux ${facts.kernel}, Node.js ${facts.node}, proc-events ${facts.version}`),
    facts.netlink === null
      ? check('live events', 'ok', "the kernel's process connector answers")
      : check('live events', 'failed', `unavailable (${facts.netlink.code})`, facts.netlink.hint),
    polling(facts),
    facts.usage === null
      ? check('costs', 'ok', 'CPU time and memory of each process can be read')
      : check('costs', 'warning', `unavailable (${facts.usage.code})`, facts.usage.hint),
    details(facts),
    ...(facts.hidepid === null ? [] : [hidden(facts.hidepid, facts.capabilities)]),
    ...(facts.selfTest === null ? [] : selfTestChecks(facts.selfTest)),
  ]
}

/** Returns true if no check failed. */
export function isHealthy(checks: readonly Check[]): boolean {
  return checks.every(({ status }) => status !== 'failed')
}

/** The least share of short-lived processes that the polling source sees on a machine that is not overloaded. */
const POLLING_SHARE = 0.9

/** The ways of watching, in words. */
const WAYS = { perf: 'perf events', cursor: 'looks at new process ids', snapshot: 'snapshots' } as const

const PERF =
  'Perf events would show every process: grant CAP_PERFMON (docker: --cap-add PERFMON), or set kernel.perf_event_paranoid to 2, ' +
  'and let seccomp allow perf_event_open.'
const NO_CURSOR =
  'This sandbox hides the last process id, or this kernel is older than 5.3: short-lived processes are missed.'
const OWN_PROC = "The /proc of one's own pid namespace would show more: mount it, and do not set HOST_PROC."

function polling(facts: Facts): Check {
  const { procRoot, polls, isForeign, hidepid, capabilities, netlink, pollingTest } = facts
  if (!polls)
    return check('polling', 'failed', `${procRoot} cannot be read`, 'Mount a proc file system there, or set HOST_PROC.')
  const showsAll = hidepid === null || capabilities.includes('CAP_SYS_PTRACE')
  const readable = showsAll ? `${procRoot} can be read` : `${procRoot} shows only your own processes (${hidepid})`
  if (pollingTest === null)
    return showsAll ? check('polling', 'ok', readable) : check('polling', 'warning', readable, GROUP)
  const { started, execs, exits, watching } = pollingTest
  const by = watching === null ? '' : ` by ${WAYS[watching]}`
  const counted = `${execs} execs and ${exits} exits were seen${by}`
  const seen = `${readable}; of ${plural(started, 'process', 'processes')} started, ${counted}`
  // With the connector, nothing better is needed.
  const better = watching === 'cursor' ? PERF : NO_CURSOR
  const advice = netlink !== null && watching !== 'perf' ? (isForeign ? OWN_PROC : better) : null
  if (Math.min(execs, exits) < started * POLLING_SHARE)
    return check(
      'polling',
      'warning',
      seen,
      advice ?? 'Processes that live less than a millisecond are missed on a busy machine.',
    )
  return showsAll ? check('polling', 'ok', seen, advice) : check('polling', 'warning', seen, GROUP)
}

function details({ user, capabilities }: Facts): Check {
  const may = capabilities.length === 0 ? 'no capability' : capabilities.join(', ')
  if (capabilities.includes('CAP_SYS_PTRACE')) return check('permissions', 'ok', `${user} with ${may}`)
  const detail = `${user} with ${may}: exe and cwd of other users' processes are unknown`
  return check(
    'permissions',
    'warning',
    detail,
    'Grant CAP_SYS_PTRACE if you need them. Outside of containers, root has it.',
  )
}

function hidden(hidepid: string, capabilities: readonly string[]): Check {
  if (capabilities.includes('CAP_SYS_PTRACE'))
    return check('hidepid', 'ok', `${hidepid}, but CAP_SYS_PTRACE exempts you`)
  const detail = `${hidepid}: other users' processes are reported without their details`
  return check('hidepid', 'warning', detail, GROUP)
}

const LATE =
  'Short-lived processes may exit before they are read. See "priority", or try again when the machine is idle.'

function selfTestChecks(selfTest: SelfTest): Check[] {
  const { priority, receiveBufferSize, started, execs, exits, captured, tracked, latenciesNs } = selfTest
  const mib = `${(receiveBufferSize / 2 ** 20).toFixed(1)} MiB`
  const sorted = [...latenciesNs].sort((a, b) => a - b)
  const [half, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const delay = half === undefined ? '' : `; latency ${micros(half)} median, ${micros(most!)} max`
  const seen = `of ${plural(started, 'process', 'processes')} started, ${execs} execs and ${exits} exits were reported${delay}`
  const all = execs === started && exits === started
  return [
    priority === 'ordinary' || priority === null
      ? check(
          'priority',
          'warning',
          'ordinary: details of short-lived processes may be missed',
          'Grant CAP_SYS_NICE or RLIMIT_RTPRIO, or use Linux 6.12 or newer.',
        )
      : check('priority', 'ok', priority === 'realtime' ? 'real-time' : 'a short time slice'),
    receiveBufferSize >= BUFFER_BYTES
      ? check('buffer', 'ok', mib)
      : check('buffer', 'warning', `${mib}: bursts may be lost`, 'Raise net.core.rmem_max, or grant CAP_NET_ADMIN.'),
    check('processes', tracked > 0 ? 'ok' : 'failed', `${tracked} are running`),
    all
      ? check('self-test', 'ok', seen)
      : check('self-test', 'failed', seen, 'Events are lost between the kernel and this process. Please report a bug.'),
    captured === started
      ? check('details', 'ok', `the arguments of all ${captured} could be read`)
      : check('details', 'warning', `the arguments of ${captured} of ${started} could be read`, LATE),
  ]
}

function micros(ns: number): string {
  return ns < 1e6 ? `${Math.round(ns / 1000)} µs` : formatDuration(ns)
}

function check(name: string, status: Check['status'], detail: string, advice: string | null = null): Check {
  return { name, status, detail, advice }
}
