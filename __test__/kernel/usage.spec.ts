/** The costs of processes, against the accounts that `wait4` gives to their parents. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type ExitEvent, type MonitorOptions, type ResourceUsage, getProcessMonitor } from '../../dist/index.js'
import { checkedCosts, costsAreCertain, costsProgram, shortOnes } from '../support/costs.ts'
import { SLOWNESS, atMost, loadOf, temporaryFolder } from '../support/helpers.ts'
import { skipped } from '../support/load.ts'

interface Exits {
  /** The pid of the program. */
  readonly pid: number
  /** The exits of the program and its descendants, in their order. */
  readonly exits: readonly ExitEvent[]
  readonly usageLost: number
  readonly lostSocket: number
}

/** Runs the program, and returns the exits of all its processes. */
async function exitsOf(
  t: ExecutionContext,
  path: string,
  args: readonly string[],
  options: MonitorOptions = {},
): Promise<Exits> {
  const monitor = getProcessMonitor()
  const exits: ExitEvent[] = []
  monitor.subscribeExit((_, event) => void exits.push(event), { ancestor: process.pid, capture: ['usage'] })
  try {
    await monitor.initialize(options)
    await monitor.flush()
    await costsAreCertain()
    const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const [status] = (await once(child, 'exit')) as [number]
    t.is(status, 0)
    await monitor.flush()
    const { usageLost, lostSocket } = monitor.stats()
    return { pid: child.pid!, exits, usageLost, lostSocket }
  } finally {
    await monitor.stop()
  }
}

/** A buffer that overflows. */
const SMALL = { receiveBufferSize: 4096 }

/** The kinds of processes, by their number modulo 5. */
const KINDS = ['threads', 'writes', 'memory', 'computes', 'unread'] as const

interface Account {
  readonly cpuNs: number
  readonly minorFaults: number
  readonly majorFaults: number
  readonly readBytes: number
  readonly writeBytes: number
  readonly voluntarySwitches: number
  readonly involuntarySwitches: number
}

interface Accounts {
  readonly pid: number
  readonly kind: (typeof KINDS)[number]
  readonly maxRssBytes: number
  /** The cost of its threads, by their own accounts, when they began to end. 0 for `unread`. */
  readonly own: Account
  /** The cost that `wait4` tells after the end of the process. */
  readonly parent: Account
}

function accountOf(cpuNs: number, counts: readonly number[]): Account {
  const [minorFaults, majorFaults, readBlocks, writeBlocks, voluntarySwitches, involuntarySwitches] = counts as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const bytes = { readBytes: readBlocks * 512, writeBytes: writeBlocks * 512 }
  return { cpuNs, minorFaults, majorFaults, ...bytes, voluntarySwitches, involuntarySwitches }
}

function accountsOf(line: string): Accounts {
  const numbers = line.split(' ').map(Number)
  const [pid, number, cpuUs, maxRssKib] = numbers as [number, number, number, number]
  return {
    pid,
    kind: KINDS[number % KINDS.length]!,
    maxRssBytes: maxRssKib * 1024,
    parent: accountOf(cpuUs * 1000, numbers.slice(4, 10)),
    own: accountOf(numbers[10]!, numbers.slice(11)),
  }
}

/** `wait4` rounds user and system time down to microseconds. */
const ROUNDED_NS = 2000
/** The teardown adds nothing to these. */
const EXACT = ['minorFaults', 'majorFaults', 'readBytes', 'writeBytes'] as const

/**
 * Returns where a cost is not what is documented. The kernel makes the record when a thread has begun to end. So each number is
 * at least that of the process's own account before, and at most that of the parent's account after the teardown. That holds on
 * any machine: a busy one makes the teardown longer, and with it the distance between the two accounts.
 */
function differences(usage: ResourceUsage, { kind, own, parent, maxRssBytes }: Accounts): string[] {
  const isWithin = (name: 'cpuNs' | 'voluntarySwitches' | 'involuntarySwitches', rounded = 0): boolean =>
    usage[name]! >= own[name] && usage[name]! <= parent[name] + rounded
  const checks: readonly (readonly [string, boolean])[] = [
    ['cpuNs', isWithin('cpuNs', ROUNDED_NS)],
    ['voluntarySwitches', isWithin('voluntarySwitches')],
    ['involuntarySwitches', isWithin('involuntarySwitches')],
    ['maxRssBytes', usage.maxRssBytes === maxRssBytes],
    ...EXACT.map((name) => [name, usage[name] === (kind === 'threads' ? null : parent[name])] as const),
    ['cpuDelayNs', usage.cpuDelayNs! >= 0],
  ]
  return checks
    .filter(([, holds]) => !holds)
    .map(([name]) => `${kind}: ${name} ${JSON.stringify({ usage, own, parent })}`)
}

const MS = 1e6
/** The longest time from one timer tick to the next, in milliseconds: the kernel has 100 to 1,000 ticks a second. */
const TICK_MS = 10

/** Returns a sorted list. */
function distribution<T>(list: readonly T[], value: (one: T) => number): number[] {
  return list.map(value).sort((a, b) => a - b)
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.round(part * (sorted.length - 1))]!
}

test.serial('costs of 400 processes agree with their own accounts, and with those of their parent', async (t) => {
  t.timeout(atMost(240_000))
  const path = await costsProgram(t)
  if (path === null) return
  const file = join(temporaryFolder(t), 'accounts')
  mkdirSync(`${file}.d`)
  const { exits, pid } = await exitsOf(t, path, ['accounts', file, '400'])
  const accounts = readFileSync(file, 'utf8').trim().split('\n').map(accountsOf)
  t.is(accounts.length, 400)
  // They run one after the other. A pid may occur twice. The kernel does not know a parent that has reaped the process before
  // the report.
  const ended = exits.filter(({ ppid }) => ppid === pid || ppid === null)
  const costs = accounts.flatMap((account) => {
    const at = ended.findIndex((event) => event.pid === account.pid)
    return at === -1 ? [] : (ended.splice(at, 1)[0]!.usage ?? [])
  })
  t.is(costs.length, 400)
  t.deepEqual(
    accounts.flatMap((account, index) => differences(costs[index]!, account)),
    [],
  )
  const both = accounts.map((account, index) => [account, costs[index]!] as const)
  for (const kind of KINDS) {
    const own = both.filter(([account]) => account.kind === kind)
    const lacks = distribution(own, ([{ parent }, usage]) => (parent.cpuNs - usage.cpuNs) / MS)
    const [least, middle, most] = [0, 0.5, 1].map((part) => quantile(lacks, part).toFixed(3))
    t.log(`${kind}: CPU time ${least} to ${most} ms less than the parent's account, median ${middle} ms`)
    if (kind === 'unread') {
      // The record has the CPU time as the scheduler has last added it up. It does so when the thread waits, when its clock is
      // read, when another one wakes up beside it, and at each tick.
      t.true(quantile(lacks, 0.5) < TICK_MS)
      continue
    }
    // Nothing but the teardown comes after the record. So most records are equal to the own accounts. If a thread takes long
    // to end, as on a translated processor, the scheduler adds up its time once more.
    if (SLOWNESS > 1) continue
    const excess = distribution(own, ([account, usage]) => usage.cpuNs - account.own.cpuNs)
    t.true(quantile(excess, 0.5) < 0.01 * MS, `${kind}: ${quantile(excess, 0.5)} ns`)
    for (const name of ['voluntarySwitches', 'involuntarySwitches'] as const)
      t.is(
        quantile(
          distribution(own, ([account, usage]) => usage[name]! - account.own[name]),
          0.5,
        ),
        0,
        `${kind}: ${name}`,
      )
  }
})

for (const [title, count, options] of [
  ['30,000 exits of a storm that are delivered late', loadOf(30_000), { maxLatency: 50 }],
  ['5,000 exits of a storm that are delivered at once', loadOf(5000), {}],
] as const) {
  test.serial(`every cost of ${title} is that of its process`, async (t) => {
    t.timeout(atMost(240_000))
    const path = await costsProgram(t)
    if (path === null) return
    const { exits, usageLost, lostSocket } = await exitsOf(t, path, ['storm', String(count), '4'], options)
    const short = shortOnes(exits)
    const { matched, wrong } = checkedCosts(short)
    t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
    t.deepEqual(wrong, [])
    t.true(matched + usageLost >= short.length, 'the rest is told as lost')
    if (lostSocket === 0) t.deepEqual([short.length, matched], [count, count])
  })
}

test.serial('costs that the kernel drops are counted, and none is that of another process', async (t) => {
  t.timeout(atMost(240_000))
  const path = await costsProgram(t)
  if (path === null) return
  const { exits, usageLost } = await exitsOf(t, path, ['storm', '10000', '4'], SMALL)
  const short = shortOnes(exits)
  const { matched, wrong } = checkedCosts(short)
  t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
  t.deepEqual(wrong, [])
  t.true(matched + usageLost >= short.length)
  // Where processes start slowly, the reader is never late.
  if (usageLost === 0 && SLOWNESS > 1) return void skipped(t, 'the kernel dropped no cost')
  t.true(usageLost > 0)
})

for (const [size, buffer] of Object.entries({ large: {}, small: SMALL })) {
  test.serial(`processes with the same pids get their own costs, with a ${size} buffer`, async (t) => {
    t.timeout(atMost(240_000))
    const path = await costsProgram(t)
    if (path === null) return
    const options = { ...buffer, maxLatency: 50 }
    const { exits, usageLost } = await exitsOf(t, path, ['reuse', '5000', '3'], options)
    const short = exits.filter(
      ({ exitCode, pid }) => exitCode !== null && exits.filter((e) => e.pid === pid).length > 100,
    )
    const { matched, wrong } = checkedCosts(short, ({ exitCode }) => 8 * exitCode!)
    t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
    t.deepEqual(wrong, [])
    t.true(matched > 0)
    t.true(matched + usageLost >= short.length)
  })
}
