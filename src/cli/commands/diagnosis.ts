/** What facts about a machine mean for the monitoring: what works, what does not, and what to do about it. */
import { formatDuration, plural } from '../output/format.js'

export interface Facts {
  readonly version: string
  readonly node: string
  readonly kernel: string
  readonly user: string
  readonly procRoot: string
  /** Why live events cannot be had, and what to do about it; null: they can. */
  readonly netlink: Problem | null
  readonly polls: boolean
  /** The names of this process's capabilities that matter here. */
  readonly capabilities: readonly string[]
  /** The option of /proc's mount, where it hides other users' processes. */
  readonly hidepid: string | null
  /** null: could not be run. */
  readonly selfTest: SelfTest | null
}

export interface Problem {
  readonly code: string
  readonly hint: string
}

/** What became of processes that were started to see whether they are reported. */
export interface SelfTest {
  readonly priority: string | null
  readonly receiveBufferSize: number
  readonly tracked: number
  readonly started: number
  readonly execs: number
  readonly exits: number
  /** Of how many the arguments could be read. */
  readonly captured: number
  /** From the kernel's time of an event until JavaScript had it. */
  readonly latenciesNs: readonly number[]
}

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failed'
  readonly detail: string
  readonly advice: string | null
}

/** What is asked for where nothing else is said. */
const BUFFER_BYTES = 8 * 2 ** 20

export function diagnose(facts: Facts): readonly Check[] {
  return [
    check('system', 'ok', `Linux ${facts.kernel}, Node.js ${facts.node}, proc-events ${facts.version}`),
    facts.netlink === null
      ? check('live events', 'ok', "the kernel's process connector answers")
      : check('live events', 'failed', `not to be had (${facts.netlink.code})`, facts.netlink.hint),
    facts.polls
      ? check('polling', 'ok', `${facts.procRoot} can be read`)
      : check(
          'polling',
          'failed',
          `${facts.procRoot} cannot be read`,
          'Mount a proc file system there, or set HOST_PROC.',
        ),
    details(facts),
    ...(facts.hidepid === null ? [] : [hidden(facts.hidepid, facts.capabilities)]),
    ...(facts.selfTest === null ? [] : selfTestChecks(facts.selfTest)),
  ]
}

/** Whether everything that live events take is there. */
export function isHealthy(checks: readonly Check[]): boolean {
  return checks.every(({ status }) => status !== 'failed')
}

function details({ user, capabilities }: Facts): Check {
  const may = capabilities.length === 0 ? 'no capability' : capabilities.join(', ')
  if (capabilities.includes('CAP_SYS_PTRACE')) return check('permissions', 'ok', `${user} with ${may}`)
  const detail = `${user} with ${may}: of other users' processes, exe and cwd stay unknown`
  return check('permissions', 'warning', detail, 'Run as root, or with CAP_SYS_PTRACE, if you need them.')
}

function hidden(hidepid: string, capabilities: readonly string[]): Check {
  if (capabilities.includes('CAP_SYS_PTRACE')) return check('hidepid', 'ok', `${hidepid}, which does not hold for you`)
  const detail = `${hidepid}: other users' processes are reported without their details`
  return check('hidepid', 'warning', detail, 'Run as root, or as a member of the group that the mount names (gid=).')
}

const LATE = 'What ends at once is gone before a busy machine gets to look: see priority, or try again later.'

function selfTestChecks(selfTest: SelfTest): Check[] {
  const { priority, receiveBufferSize, started, execs, exits, captured, tracked, latenciesNs } = selfTest
  const mib = `${(receiveBufferSize / 2 ** 20).toFixed(1)} MiB`
  const sorted = [...latenciesNs].sort((a, b) => a - b)
  const [half, most] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const delay = half === undefined ? '' : `; ${micros(half)} after the fact (median), ${micros(most!)} at most`
  const seen = `of ${plural(started, 'process', 'processes')} started, ${execs} execs and ${exits} exits were reported${delay}`
  const all = execs === started && exits === started
  return [
    priority === 'ordinary' || priority === null
      ? check(
          'priority',
          'warning',
          'ordinary: the details of processes that end at once may be missed',
          'Give it CAP_SYS_NICE or RLIMIT_RTPRIO, or use Linux 6.12 or newer.',
        )
      : check('priority', 'ok', priority === 'realtime' ? 'real-time' : 'a short time slice'),
    receiveBufferSize >= BUFFER_BYTES
      ? check('buffer', 'ok', mib)
      : check('buffer', 'warning', `${mib}: bursts may be lost`, 'Raise net.core.rmem_max, or give it CAP_NET_ADMIN.'),
    check('processes', tracked > 0 ? 'ok' : 'failed', `${tracked} are running`),
    all
      ? check('self-test', 'ok', seen)
      : check('self-test', 'failed', seen, 'Something between the kernel and here swallows events: please report it.'),
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
