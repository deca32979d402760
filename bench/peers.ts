/** The observers: how each is built, started and ended, and the format of its records. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseBpftrace, parseExtrace, parseForkstat, parseRecords, type Seen } from './records.ts'

const here = import.meta.dirname
/** The headers of Node-API. */
const headers = join(dirname(fileURLToPath(import.meta.resolve('node-api-headers/package.json'))), 'include')

export interface Peer {
  readonly name: string
  /** Returns the command. `clock` adds the latency to the records. Undefined for the runs without an observer. */
  readonly command?: (records: string, clock: boolean) => readonly string[]
  /** True if it prints "ready" and handles SIGTERM. The others get a moment to start, and SIGINT. */
  readonly isOurs: boolean
  /** The time to start in milliseconds, for a slow observer that does not print "ready". */
  readonly startsIn?: number
  /** True if it ends without PROC_CN_MCAST_IGNORE, so that the kernel keeps counting its listener. */
  readonly leavesListenerRegistered?: boolean
  /** The names of the only loads that it is measured under. Default: all. */
  readonly scenarios?: readonly string[]
  /** Parses the records. */
  readonly parse: (bytes: Uint8Array) => Seen[]
}

/** The compiled programs of one run of the benchmark. */
export interface Tools {
  readonly folder: string
  readonly load: string
  readonly end: string
  readonly stay: string
  /** Exits after a third of a millisecond. */
  readonly nap: string
  readonly hush: string
  readonly listener: string
  readonly addon: string
  /** Undefined if it could not be built. */
  readonly go?: string
  readonly rust?: string
  /** The reasons why observers are not measured. */
  readonly skipped: readonly string[]
}

/** The measured values of `maxLatency` besides 0, in milliseconds. */
const latencies = [5, 20, 50, 100, 200]

/** Returns every available observer. */
export function peers(tools: Tools): Peer[] {
  const own = { isOurs: true, parse: parseRecords }
  const foreign = { isOurs: false, leavesListenerRegistered: true }
  const clock = (has: boolean): string => (has ? '1' : '0')
  const node = (file: string) => (records: string, has: boolean) => [
    process.execPath,
    join(here, 'peers', file),
    records,
    clock(has),
  ]
  const { go, rust, listener } = tools
  const rustPeer = (name: string): Peer[] =>
    rust === undefined ? [] : [{ ...own, name, command: (records, has) => [join(rust, name), records, clock(has)] }]
  const text = (parse: (text: string) => Seen[]) => (bytes: Uint8Array) => parse(Buffer.from(bytes).toString('latin1'))
  return [
    { ...own, name: 'no observer' },
    { ...own, name: 'proc-events', command: node('ours.mjs') },
    ...latencies.map((latency) => {
      const command = (records: string, has: boolean): string[] => [...node('ours.mjs')(records, has), String(latency)]
      // The others only draw the curve of `curve.ts`.
      const only = [20, 100].includes(latency) ? {} : { scenarios: ['paced', 'lives'] }
      return Object.assign({ name: `proc-events, ${latency} ms`, command }, own, only)
    }),
    { ...own, name: 'C, filter', command: (records, has) => [listener, 'filter', records, clock(has)] },
    { ...own, name: 'C, plain', command: (records, has) => [listener, 'plain', records, clock(has)] },
    {
      ...own,
      name: 'Node, bare addon',
      command: (records, has) => [...node('addon.mjs')(records, has), tools.addon],
    },
    ...(go === undefined
      ? []
      : [
          {
            ...own,
            name: 'Go',
            leavesListenerRegistered: true,
            command: (records: string, has: boolean) => [go, records, clock(has)],
          },
        ]),
    ...rustPeer('neli'),
    ...rustPeer('proc-connector'),
    ...(isInstalled('forkstat')
      ? [{ ...foreign, name: 'forkstat', command: () => ['forkstat', '-e', 'exec,exit'], parse: text(parseForkstat) }]
      : []),
    ...(isInstalled('extrace')
      ? [{ ...foreign, name: 'extrace', command: () => ['extrace', '-t'], parse: text(parseExtrace) }]
      : []),
    ...(isInstalled('bpftrace')
      ? [
          {
            name: 'bpftrace',
            isOurs: false,
            startsIn: 6000,
            command: () => ['bpftrace', '-e', tracepoints],
            parse: text(parseBpftrace),
          },
        ]
      : []),
    ...(isInstalled('forkstat')
      ? [
          {
            ...own,
            name: 'Node, forkstat',
            command: (records: string, has: boolean) => [...node('forkstat.mjs')(records, has), tools.hush],
          },
        ]
      : []),
    { ...own, name: 'Node, polling', command: node('poller.mjs') },
  ]
}

/** A bpftrace program that prints a line for each exec, and for each exit of a thread group leader. */
const tracepoints = `tracepoint:sched:sched_process_exec { printf("exec %d\\n", pid) }
tracepoint:sched:sched_process_exit /pid == tid/ { printf("exit %d\\n", pid) }`

export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

function build(command: string, args: readonly string[], cwd: string): string | undefined {
  if (!isInstalled(command)) return `${command} is not installed`
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return status === 0 ? undefined : `${command} failed: ${stderr.trim().split('\n').at(-1)}`
}

/** Builds the programs whose compiler is installed. Only the C compiler is required. */
export function buildTools(wanted: (peer: string) => boolean): Tools {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-bench-'))
  const path = (name: string): string => join(folder, name)
  const skipped: string[] = []
  const c = (name: string, source: string, flags: readonly string[] = []): string => {
    const problem = build('cc', ['-O2', '-o', path(name), source, ...flags], here)
    if (problem !== undefined) throw new Error(problem)
    return path(name)
  }
  const ifBuilt = (names: readonly string[], command: string, args: readonly string[], cwd: string): boolean => {
    if (!names.some(wanted)) return false
    const problem = build(command, args, join(here, 'peers', cwd))
    if (problem !== undefined) skipped.push(`${names.join(', ')}: ${problem}`)
    return problem === undefined
  }
  const target = join(here, '..', 'target', 'bench-peers')
  try {
    const tools = {
      folder,
      load: c('pe-load', 'load.c', ['-pthread']),
      // The tests' load contains the smallest program.
      end: c('pe-end', '../__test__/support/load.c', ['-DEND=0', '-nostdlib', '-static']),
      stay: c('pe-stay', 'stay.c', ['-nostdlib', '-static']),
      nap: c('pe-nap', 'stay.c', ['-DLIFETIME_NS=330000', '-nostdlib', '-static']),
      hush: c('pe-hush', 'hush.c'),
      listener: c('pe-listener', 'peers/listener.c'),
      addon: c('addon.node', 'peers/addon.c', ['-shared', '-fPIC', '-pthread', '-I', headers]),
    }
    const hasGo = ifBuilt(['Go'], 'go', ['build', '-o', path('pe-go'), '.'], 'go')
    const cargo = ['build', '--release', '--locked', '--quiet', '--target-dir', target]
    const hasRust = ifBuilt(['neli', 'proc-connector'], 'cargo', cargo, 'rust')
    for (const name of ['forkstat', 'extrace', 'bpftrace'].filter(wanted)) {
      if (!isInstalled(name)) skipped.push(`${name} is not installed`)
    }
    return { ...tools, ...(hasGo && { go: path('pe-go') }), ...(hasRust && { rust: join(target, 'release') }), skipped }
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}
