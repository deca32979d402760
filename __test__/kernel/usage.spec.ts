/** The costs of processes, against the accounts that `wait4` gives to their parents. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type ExitEvent, type MonitorOptions, type ResourceUsage, getProcessMonitor, probe } from '../../dist/index.js'
import { has, skipped } from '../support/load.ts'
import { temporaryFolder } from '../support/helpers.ts'

const source = join(import.meta.dirname, '..', 'support', 'costs.c')

/** Compiles the program. null: this machine cannot run the test. */
async function program(t: ExecutionContext): Promise<string | null> {
  if (!has(t, 'cc')) return null
  const { usage, usageHint } = await probe()
  if (!usage) return skipped(t, usageHint!) || null
  const path = join(temporaryFolder(t), 'pe-costs')
  const { status, stderr } = spawnSync('cc', ['-O1', '-pthread', '-o', path, source], { encoding: 'utf8' })
  t.is(status, 0, stderr)
  return path
}

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

/** The kinds of processes, by their number modulo 4. */
const KINDS = ['threads', 'writes', 'memory', 'computes'] as const

/** The account that `wait4` gives of a process. */
interface Account {
  readonly pid: number
  readonly kind: (typeof KINDS)[number]
  readonly cpuUs: number
  readonly maxRssKib: number
  readonly readBlocks: number
  readonly writeBlocks: number
  readonly minorFaults: number
  readonly majorFaults: number
  readonly voluntary: number
  readonly involuntary: number
}

function accountOf(line: string): Account {
  const [pid, number, cpuUs, maxRssKib, readBlocks, writeBlocks, minorFaults, majorFaults, voluntary, involuntary] =
    line.split(' ').map(Number) as [number, number, number, number, number, number, number, number, number, number]
  const kind = KINDS[number % 4]!
  const faults = { minorFaults, majorFaults }
  return { pid, kind, cpuUs, maxRssKib, readBlocks, writeBlocks, ...faults, voluntary, involuntary }
}

/** Returns where a cost differs from an account by more than is documented. */
function differences(usage: ResourceUsage, account: Account): string[] {
  const isSingle = account.kind !== 'threads'
  const cpuMs = usage.cpuNs / 1e6 - account.cpuUs / 1e3
  const maxRssKib = usage.maxRssBytes! / 1024
  const [voluntary, involuntary] = [
    usage.voluntarySwitches! - account.voluntary,
    usage.involuntarySwitches! - account.involuntary,
  ]
  const checks: readonly (readonly [string, boolean])[] = [
    // The teardown of the process comes after the record. That of memory takes the longest.
    [`cpu ${cpuMs} ms`, cpuMs <= 0.01 && cpuMs > -3 - maxRssKib / 4096],
    [`memory ${maxRssKib} KiB`, maxRssKib === account.maxRssKib],
    ['read', usage.readBytes === (isSingle ? account.readBlocks * 512 : null)],
    ['written', usage.writeBytes === (isSingle ? account.writeBlocks * 512 : null)],
    ['minor faults', usage.minorFaults === (isSingle ? account.minorFaults : null)],
    ['major faults', usage.majorFaults === (isSingle ? account.majorFaults : null)],
    [`voluntary ${voluntary}`, voluntary <= 0 && voluntary >= -3],
    [`involuntary ${involuntary}`, involuntary <= 0 && involuntary >= -20],
    ['delay', usage.cpuDelayNs! >= 0],
  ]
  return checks.filter(([, holds]) => !holds).map(([what]) => `${account.kind}: ${what}`)
}

test.serial('costs of 400 processes agree with the accounts of their parent', async (t) => {
  t.timeout(240_000)
  const path = await program(t)
  if (path === null) return
  const file = join(temporaryFolder(t), 'accounts')
  mkdirSync(`${file}.d`)
  const { exits, pid } = await exitsOf(t, path, ['accounts', file, '400'])
  const accounts = readFileSync(file, 'utf8').trim().split('\n').map(accountOf)
  t.is(accounts.length, 400)
  // They run one after the other. A pid may occur twice.
  const ended = exits.filter(({ ppid }) => ppid === pid)
  const costs = accounts.flatMap((account) => {
    const at = ended.findIndex((event) => event.pid === account.pid)
    return at === -1 ? [] : (ended.splice(at, 1)[0]!.usage ?? [])
  })
  t.is(costs.length, 400)
  t.deepEqual(
    accounts.flatMap((account, index) => differences(costs[index]!, account)),
    [],
  )
  for (const kind of KINDS) {
    const own = accounts.flatMap((account, index) => (account.kind === kind ? [[account, costs[index]!] as const] : []))
    const cpuMs = own.map(([account, usage]) => usage.cpuNs / 1e6 - account.cpuUs / 1e3).sort((a, b) => a - b)
    const [least, middle, most] = [0, 0.5, 1].map((part) => cpuMs[Math.round(part * (own.length - 1))]!.toFixed(3))
    t.log(`${kind}: CPU time differs by ${least} to ${most} ms, median ${middle} ms`)
  }
})

/** Returns how many exits have a cost, and which have that of another process. `pages` returns what a process has touched. */
function checked(
  exits: readonly ExitEvent[],
  pages: (event: ExitEvent) => number,
): { matched: number; wrong: number[] } {
  const known = exits.filter(({ usage }) => usage !== null && usage !== undefined)
  // Each process has faults of its own beside those pages.
  const own = Math.min(...known.map((event) => event.usage!.minorFaults! - pages(event)))
  const isWrong = (event: ExitEvent): boolean => Math.abs(event.usage!.minorFaults! - own - pages(event)) > 3
  return { matched: known.length, wrong: known.filter(isWrong).map(({ pid }) => pid) }
}

for (const [title, count, options] of [
  ['30,000 exits of a storm that are delivered late', 30_000, { maxLatency: 50 }],
  ['5,000 exits of a storm that are delivered at once', 5000, {}],
] as const) {
  test.serial(`every cost of ${title} is that of its process`, async (t) => {
    t.timeout(240_000)
    const path = await program(t)
    if (path === null) return
    const { exits, usageLost, lostSocket } = await exitsOf(t, path, ['storm', String(count), '4'], options)
    const short = exits.filter(({ exitCode }) => exitCode === 64)
    const { matched, wrong } = checked(short, ({ pid }) => 8 * (pid % 64))
    t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
    t.deepEqual(wrong, [])
    t.true(matched + usageLost >= short.length, 'the rest is told as lost')
    if (lostSocket === 0) t.is(short.length, count)
    if (lostSocket === 0 && usageLost === 0) t.is(matched, count)
  })
}

test.serial('costs that the kernel drops are counted, and none is that of another process', async (t) => {
  t.timeout(240_000)
  const path = await program(t)
  if (path === null) return
  const { exits, usageLost } = await exitsOf(t, path, ['storm', '10000', '4'], SMALL)
  const short = exits.filter(({ exitCode }) => exitCode === 64)
  const { matched, wrong } = checked(short, ({ pid }) => 8 * (pid % 64))
  t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
  t.deepEqual(wrong, [])
  t.true(usageLost > 0)
  t.true(matched + usageLost >= short.length)
})

for (const [size, buffer] of Object.entries({ large: {}, small: SMALL })) {
  test.serial(`processes with the same pids get their own costs, with a ${size} buffer`, async (t) => {
    t.timeout(240_000)
    const path = await program(t)
    if (path === null) return
    const options = { ...buffer, maxLatency: 50 }
    const { exits, usageLost } = await exitsOf(t, path, ['reuse', '5000', '3'], options)
    const short = exits.filter(
      ({ exitCode, pid }) => exitCode !== null && exits.filter((e) => e.pid === pid).length > 100,
    )
    const { matched, wrong } = checked(short, ({ exitCode }) => 8 * exitCode!)
    t.log(`${matched} of ${short.length} matched, ${usageLost} lost`)
    t.deepEqual(wrong, [])
    t.true(matched > 0)
    t.true(matched + usageLost >= short.length)
  })
}
