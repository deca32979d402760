/** `npm run bench -- sources`: what is seen without the connector, and at which cost. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { buildTools, isInstalled, type Tools } from '../peers.ts'
import { figure } from '../report.ts'
import type { Load, Result, Row, Task } from './inside.ts'

const here = import.meta.dirname
const namespace = ['unshare', '-p', '-f', '--mount-proc', '--kill-child']
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all']
/** The module of pspy, and the version that is measured. */
const PSPY = 'github.com/dominicbreuker/pspy@v1.2.1'

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

function buildPspy(folder: string): string | undefined {
  if (!isInstalled('go')) return undefined
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' }
  spawnSync('go', ['install', PSPY], { env, cwd: folder, stdio: 'ignore', timeout: 300_000 })
  return existsSync(join(folder, 'pspy')) ? join(folder, 'pspy') : undefined
}

function observers(pspy: string | undefined): Observer[] {
  const node = (name: string, file: string, ...args: string[]): Observer => {
    return { name, command: [process.execPath, join(here, '..', 'peers', 'sources', file), ...args], isJson: true }
  }
  const ours = (name: string, options: object): Observer => node(name, 'ours.mjs', JSON.stringify(options))
  return [
    ours('proc-events', { source: 'polling' }),
    Object.assign(ours('proc-events as root', { source: 'polling' }), { isRoot: true }),
    ours('proc-events, effort low', { source: 'polling', effort: 'low' }),
    ours('proc-events, effort high', { source: 'polling', effort: 'high' }),
    node('snapshots of Node.js, 250 ms', 'poller.mjs'),
    ...(pspy === undefined ? [] : [{ name: 'pspy', command: [pspy, '--color=false'], isJson: false }]),
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
  try {
    chmodSync(tools.folder, 0o755)
    const lives = join(tools.folder, 'pe-lives')
    const { status, stderr } = spawnSync('cc', ['-O2', '-o', lives, join(here, 'lives.c')], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    const pspy = wanted('pspy') ? buildPspy(tools.folder) : undefined
    if (pspy === undefined && wanted('pspy')) console.error('not measured: pspy cannot be built')
    const planned = loads(tools, lives, isQuick).filter(({ name }) => wantedLoad(name))
    await withBusyCpus(isBusy, async () => {
      for (const observer of observers(pspy).filter(({ name }) => wanted(name))) {
        const { rows, stats } = await measure(observer, planned)
        if (stats !== undefined) console.error(`${observer.name}: ${JSON.stringify(stats)}`)
        results.push({ observer: observer.name, rows })
      }
    })
  } finally {
    rmSync(tools.folder, { recursive: true })
  }
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
