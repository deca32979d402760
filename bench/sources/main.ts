/** `npm run bench -- sources`: what is seen without the connector, and at which cost. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { buildTools, isInstalled, type Tools } from '../peers.ts'
import { figure } from '../report.ts'
import type { Load, Result, Row, Task } from './inside.ts'

const here = import.meta.dirname
const namespace = ['unshare', '-p', '-f', '--mount-proc', '--kill-child']
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']
interface Observer {
  readonly name: string
  readonly command: readonly string[]
  readonly isJson: boolean
  readonly isRoot?: boolean
}

function loads(tools: Tools, lives: string, isQuick: boolean): Load[] {
  const count = isQuick ? 20 : 200
  const lasting = (ms: number): Load => ({
    name: `${ms} ms`,
    command: [lives, `${count}`, '10000', 'FILE', '/bin/sleep', `${ms / 1000}`],
    program: 'sleep',
  })
  const spawns = join(here, '..', 'peers', 'sources', 'spawns.mjs')
  const crowd = (size: number): Load => ({
    name: `idle, ${size.toLocaleString('en')} processes`,
    crowd: [tools.load, 'crowd', tools.stay, `${size}`, '120', '/dev/null'],
    seconds: isQuick ? 2 : 21,
  })
  return [
    ...[1, 5, 20, 100].map(lasting),
    {
      name: "spawnSync('/bin/true')",
      command: [process.execPath, spawns, `${isQuick ? 30 : 300}`, 'FILE', '/bin/true'],
      program: 'true',
    },
    { name: 'three instructions, static', command: [lives, `${count}`, '10000', 'FILE', tools.end], program: 'pe-end' },
    {
      name: '1,000 a second',
      command: [lives, isQuick ? '1000' : '10000', '1000', 'FILE', '/bin/sleep', '0.005'],
      program: 'sleep',
    },
    crowd(200),
    ...(isQuick ? [] : [crowd(5000)]),
  ]
}

/** `refuse` is the command of a sandbox that refuses perf events. */
function observers(refuse: readonly string[]): Observer[] {
  const node = (name: string, file: string, sandbox: readonly string[], ...args: string[]): Observer => {
    const command = [...sandbox, process.execPath, join(here, '..', 'peers', 'sources', file), ...args]
    return { name, command, isJson: true }
  }
  const ours = (name: string, options: object, sandbox = refuse): Observer =>
    node(name, 'ours.mjs', sandbox, JSON.stringify({ source: 'polling', ...options }))
  return [
    ours('proc-events', {}),
    Object.assign(ours('proc-events as root', {}), { isRoot: true }),
    ours('proc-events, effort low', { effort: 'low' }),
    ours('proc-events, effort high', { effort: 'high' }),
    ours('proc-events, perf events', {}, []),
    node('snapshots of Node.js, 250 ms', 'poller.mjs', []),
    ...(isInstalled('pspy') ? [{ name: 'pspy', command: ['pspy', '--color=false'], isJson: false }] : []),
  ]
}

/** Keeps each CPU busy during `use`. */
async function withBusyCpus<T>(isBusy: boolean, use: () => Promise<T>): Promise<T> {
  const count = isBusy ? Number(spawnSync('nproc', { encoding: 'utf8' }).stdout) : 0
  // They end with this process, because their input does.
  const loop =
    'process.stdin.on("close", () => process.exit()).resume(); (function spin() { for (let n = 0; n < 1e6; n++); setImmediate(spin) })()'
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', loop], { stdio: ['pipe', 'ignore', 'inherit'] }),
  )
  try {
    if (count > 0) await setTimeout(500)
    return await use()
  } finally {
    await Promise.all(
      children.map(async (child) => {
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }),
    )
  }
}

async function measure(observer: Observer, planned: readonly Load[]): Promise<Result> {
  const task: Task = { observer: observer.command, isJson: observer.isJson, loads: planned }
  const user = observer.isRoot === true ? [] : nobody
  const [program = '', ...args] = [
    ...namespace,
    ...user,
    process.execPath,
    join(here, 'inside.ts'),
    JSON.stringify(task),
  ]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (part: Buffer) => (text += part.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${observer.name}: ended with ${String(code)}`)
  return JSON.parse(text) as Result
}

interface SpawnTimes {
  readonly without: number
  /** With the monitor in another program. */
  readonly beside: number
  /** With the monitor in the program that spawns. */
  readonly watched: number
}

/** Returns the times of a spawn of the watching program itself, in microseconds. */
function ownSpawns(tools: Tools, sandbox: readonly string[], isQuick: boolean): SpawnTimes {
  const crowd = [tools.load, 'crowd', tools.stay, isQuick ? '20' : '2000', '120', '/dev/null']
  const own = [process.execPath, join(here, '..', 'peers', 'sources', 'own.mjs'), '{"source":"polling"}']
  const [program = '', ...args] = [...namespace, ...nobody, ...sandbox, ...own, isQuick ? '20' : '200', ...crowd]
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as SpawnTimes
}

function table(rows: readonly (Row & { observer: string })[]): string {
  // JSON has null for NaN.
  const percent = (value: number | null | undefined): string => figure(value ?? Number.NaN)
  const cells = rows.map((row) => [
    row.name,
    row.observer,
    [row.execs, row.argv, row.exits, row.codes].map(percent).join(' / '),
    percent(row.execP50),
    percent(row.execNoticedP50),
    percent(row.exitP50),
    percent(row.exitNoticedP50),
    figure(row.cpu),
    figure(row.threadCpu),
    figure(row.wakeUps),
  ])
  const head = [
    'load',
    'observer',
    'exec / argv / exit / code %',
    'exec p50 µs',
    'noticed',
    'exit p50 µs',
    'noticed',
    'CPU %',
    'thread %',
    'wake-ups/s',
  ]
  return [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n')
}

export async function sources(
  wanted: (peer: string) => boolean,
  wantedLoad: (load: string) => boolean,
  isQuick: boolean,
  isBusy: boolean,
): Promise<{ observer: string; rows: readonly Row[] }[]> {
  const tools = buildTools(() => false)
  const results: { observer: string; rows: readonly Row[] }[] = []
  const own: string[] = []
  try {
    chmodSync(tools.folder, 0o755)
    const compile = (name: string, source: string): string => {
      const file = join(tools.folder, name)
      const { status, stderr } = spawnSync('cc', ['-O2', '-o', file, join(here, source), '-pthread'], {
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(stderr)
      return file
    }
    const lives = compile('pe-lives', 'lives.c')
    const refuse = [compile('pe-refuse', '../../__test__/support/load.c'), 'refuse-perf']
    if (wanted('pspy') && !isInstalled('pspy')) console.error('not measured: pspy is not installed')
    const planned = loads(tools, lives, isQuick).filter(({ name }) => wantedLoad(name))
    await withBusyCpus(isBusy, async () => {
      for (const observer of observers(refuse).filter(({ name }) => wanted(name))) {
        const { rows, stats } = await measure(observer, planned)
        if (stats !== undefined) console.error(`${observer.name}: ${JSON.stringify(stats)}`)
        results.push({ observer: observer.name, rows })
      }
      if (wantedLoad('own spawns')) {
        for (const [name, sandbox] of [
          ['cursor', refuse],
          ['perf events', []],
        ] as const) {
          const { without, beside, watched } = ownSpawns(tools, sandbox, isQuick)
          const times = `${figure(watched / without)} times that without a monitor`
          own.push(`${name}: ${figure(watched)} µs, ${times} (${figure(beside / without)} with one in another program)`)
        }
      }
    })
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
  if (own.length > 0) console.error(`a spawn of the program itself beside 2,000 processes: ${own.join('; ')}`)
  console.log(
    `Linux ${release()}, ${isBusy ? 'busy' : 'quiet'}, load average before: ${readFileSync('/proc/loadavg', 'utf8').trim()}\n`,
  )
  console.log(table(planRows(results)))
  return results
}

/** Puts the rows of one load beside each other. */
function planRows(results: readonly { observer: string; rows: readonly Row[] }[]): (Row & { observer: string })[] {
  const names = results[0]?.rows.map(({ name }) => name) ?? []
  return names.flatMap((name) =>
    results.flatMap(({ observer, rows }) =>
      rows.filter((row) => row.name === name).map((row) => Object.assign(row, { observer })),
    ),
  )
}
