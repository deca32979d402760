/** `doctor`: checks this machine by probing and by a self-test, and prints the results. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { getProcessMonitor } from '../../monitor/monitor.js'
import { type ProbeReport, defaultProcRoot, probe } from '../../native/binding.js'
import { jsonLine } from '../../recording/ndjson.js'
import { read, showsOwnPids } from '../entries/proc.js'
import { EXIT_CODES, commandMessage, describe } from '../exit-codes.js'
import { print } from '../output/output.js'
import { layoutOf } from '../output/present.js'
import { type Piece, type Style, line } from '../output/text.js'
import { printable } from '../../recording/text.js'
import { type Check, type Facts, type PollingTest, type SelfTest, diagnose, isHealthy } from './diagnosis.js'

/** Processes started for the self-test. */
const SELF_TEST_PROCESSES = 20
/** Milliseconds that their events may take. The polling source may not see all. */
const EVENT_TIMEOUT_MS = { netlink: 2000, polling: 200 }

const CAPABILITIES: readonly (readonly [bit: bigint, name: string])[] = [
  [12n, 'CAP_NET_ADMIN'],
  [19n, 'CAP_SYS_PTRACE'],
  [21n, 'CAP_SYS_ADMIN'],
  [23n, 'CAP_SYS_NICE'],
  [38n, 'CAP_PERFMON'],
]

/** Resolves with the exit code. */
export async function doctor({ json }: { readonly json: boolean }, version: string): Promise<number> {
  const checks = diagnose(await facts(version))
  const isOk = isHealthy(checks)
  const text = json
    ? jsonLine({ type: 'doctor', ok: isOk, checks })
    : checks.flatMap((check) => checkLines(check)).join('\n')
  await print(process.stdout, `${text}\n`)
  return isOk ? EXIT_CODES.done.code : EXIT_CODES.unsupported.code
}

async function facts(version: string): Promise<Facts> {
  const report = await probe()
  const root = defaultProcRoot()
  let netlink = report.netlink ? null : problem(report)
  let selfTest: SelfTest | null = null
  if (netlink === null) {
    try {
      selfTest = await runSelfTest('netlink')
    } catch (error) {
      netlink = { code: (error as { code?: string }).code ?? 'ERR', hint: describe(error) }
    }
  }
  // It fails where /proc cannot be read, which the report says.
  const pollingTest = await runSelfTest('polling').catch(() => null)
  return {
    version,
    node: process.versions.node,
    kernel: report.kernel,
    user: process.getuid?.() === 0 ? 'root' : userName(),
    procRoot: root,
    netlink,
    usage: report.usage ? null : { code: report.usageReason ?? 'ERR', hint: report.usageHint ?? '' },
    polls: report.polling,
    isForeign: !showsOwnPids(),
    capabilities: capabilities(),
    hidepid: /\bhidepid=(?!0\b|off\b)\w+/.exec(mountOf(root))?.[0] ?? null,
    selfTest,
    pollingTest,
  }
}

function problem({ reason, hint }: ProbeReport): Facts['netlink'] {
  const code = reason ?? 'ERR_SOURCE_FAILED'
  return { code, hint: commandMessage(hint ?? '', code) }
}

/** Starts processes one after the other, and counts their events. */
async function runSelfTest(source: 'netlink' | 'polling'): Promise<SelfTest & PollingTest> {
  const monitor = getProcessMonitor()
  const latenciesNs: number[] = []
  const mark = `proc-events-doctor-${randomUUID()}`
  // In the /proc of another pid namespace, this process has another pid. Its arguments are the same.
  const own = showsOwnPids() ? { ancestor: process.pid } : { commandLine: new RegExp(mark) }
  const wanted = { ...own, capture: ['argv'] } as const
  const counted = { execs: 0, exits: 0, captured: 0 }
  const addLatency = (timestampNs: number): void => void latenciesNs.push(Number(process.hrtime.bigint()) - timestampNs)
  monitor.subscribeExec((_pid, { timestampNs, process: { argv } }) => {
    addLatency(timestampNs)
    counted.execs++
    if (argv) counted.captured++
  }, wanted)
  monitor.subscribeExit((_pid, { timestampNs }) => {
    addLatency(timestampNs)
    counted.exits++
  }, wanted)
  try {
    await monitor.initialize({ source })
    for (let n = 0; n < SELF_TEST_PROCESSES; n++) await startOne(mark)
    const deadline = performance.now() + EVENT_TIMEOUT_MS[source]
    while (counted.exits < SELF_TEST_PROCESSES && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5))
    const { priority, receiveBufferSize, trackedProcesses: tracked, watching } = monitor.stats()
    return { priority, receiveBufferSize, tracked, watching, started: SELF_TEST_PROCESSES, ...counted, latenciesNs }
  } finally {
    await monitor.stop()
  }
}

/** Starts `true`, or Node.js if there is no `true`, with an argument that it ignores. */
function startOne(mark: string): Promise<void> {
  const attempt = (file: string, args: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      spawn(file, args, { stdio: 'ignore' })
        .once('exit', () => resolve())
        .once('error', reject)
    })
  return attempt('true', [mark]).catch(() => attempt(process.execPath, ['--version', mark]))
}

function capabilities(): string[] {
  const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '') ?? []
  const bits = BigInt(`0x${mask ?? '0'}`)
  return CAPABILITIES.filter(([bit]) => (bits >> bit) & 1n).map(([, name]) => name)
}

/** Returns the mount of a path. The last mount on a path is the visible one. */
function mountOf(root: string): string {
  const lines = (read('/proc/self/mountinfo') ?? '').split('\n')
  return lines.findLast((text) => text.split(' ')[4] === root) ?? ''
}

/** Returns the user's name, or the number of a user without an entry. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

const STYLES: Record<Check['status'], Style> = { ok: 'green', warning: 'yellow', failed: 'red' }

function checkLines({ name, status, detail, advice }: Check): string[] {
  const layout = { ...layoutOf(process.stdout), columns: Infinity }
  // A path or an error's message may contain control characters.
  const pieces: Piece[] = [[status.padEnd(8), STYLES[status]], [`${name.padEnd(12)} ${printable(detail)}`]]
  return [line(pieces, layout), ...(advice === null ? [] : [`${' '.repeat(21)}${printable(advice)}`])]
}
