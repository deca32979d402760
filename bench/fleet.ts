/** `npm run bench -- fleet`: the streams of 200 hosts into one sink, which finds out what happened on each. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createConnection } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type FleetHost, makeHost } from './fleet/hosts.ts'
import type { HostAccount } from './fleet/ledger.ts'
import { align, figure } from './report.ts'

interface Result {
  readonly lines: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rss: number
  readonly accounts: Readonly<Record<string, HostAccount>>
}

/** The cache of `npm run integrations`, which builds the NATS server. */
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proc-events', 'integrations')
const natsServer = join(cache, 'bin', 'nats-server')
const modules = join(cache, 'npm', 'node_modules')

function startSink(args: readonly string[]): ChildProcess {
  const program = join(import.meta.dirname, 'fleet', 'sink.ts')
  return spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function resultOf(sink: ChildProcess): Promise<Result> {
  let text = ''
  sink.stdout!.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(sink, 'close')
  return JSON.parse(text.slice(text.indexOf('{'))) as Result
}

async function overTcp(hosts: readonly FleetHost[], total: number): Promise<Result> {
  const sink = startSink(['tcp', String(total)])
  const [first] = (await once(sink.stdout!, 'data')) as [Buffer]
  const result = resultOf(sink)
  const port = Number.parseInt(first.toString(), 10)
  await Promise.all(
    hosts.map(async ({ id, sent }) => {
      const socket = createConnection(port, '127.0.0.1')
      socket.write(`${id}\n`)
      for (const line of sent) if (!socket.write(`${line}\n`)) await once(socket, 'drain')
      socket.end()
    }),
  )
  return result
}

/** Publishes without message ids, so that duplicates reach the sink. */
async function overNats(hosts: readonly FleetHost[], total: number): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-fleet-'))
  const port = 20_000 + (process.pid % 20_000)
  const server = spawn(natsServer, ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', folder], { stdio: 'ignore' })
  try {
    const require = createRequire(join(modules, 'x.js'))
    const url = `nats://127.0.0.1:${port}`
    const connection = await require('@nats-io/transport-node').connect({ servers: url, waitOnFirstConnect: true })
    const { jetstream, jetstreamManager } = require('@nats-io/jetstream')
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'FLEET', subjects: ['fleet.>'] })
    await manager.consumers.add('FLEET', { durable_name: 'sink', ack_policy: 'none' })
    const js = jetstream(connection)
    const sink = startSink(['nats', url, String(total), modules])
    const result = resultOf(sink)
    await Promise.all(
      hosts.map(async ({ id, sent }) => {
        for (let at = 0; at < sent.length; at += 50)
          await Promise.all(sent.slice(at, at + 50).map((line) => js.publish(`fleet.${id}`, line, { timeout: 60_000 })))
      }),
    )
    const done = await result
    await connection.close()
    return done
  } finally {
    server.kill()
    if (server.exitCode === null) await once(server, 'exit')
    rmSync(folder, { recursive: true })
  }
}

export async function fleet(quick: boolean): Promise<void> {
  const recording = join(import.meta.dirname, '..', '__test__', 'support', 'recording.ndjson')
  const recorded = readFileSync(recording, 'utf8').trimEnd().split('\n')
  const options = { hosts: quick ? 20 : 200, lines: quick ? 300 : 2000, seed: 1 }
  const hosts = Array.from({ length: options.hosts }, (_, index) => makeHost(index, recorded, options))
  const total = hosts.reduce((sum, { sent }) => sum + sent.length, 0)
  const bytes = hosts.reduce((sum, { sent }) => sent.reduce((all, line) => all + line.length + 1, sum), 0)
  const usesNats = existsSync(natsServer) && existsSync(modules)
  const transport = usesNats
    ? 'NATS JetStream'
    : 'a TCP connection for each host (`npm run integrations -- --install nats` gets NATS)'
  console.log(`${options.hosts} hosts, ${total} lines, ${figure(bytes / 1e6)} MB, by ${transport}`)
  const { accounts, lines, seconds, cpuSeconds, rss } = await (usesNats ? overNats : overTcp)(hosts, total)
  await setTimeout(0)

  const streams = hosts.flatMap(({ truth }) => truth.streams)
  const sum = (of: (stream: (typeof streams)[number]) => number): number => streams.reduce((all, it) => all + of(it), 0)
  const wrong = hosts.filter(({ id, truth }) => !isDeepStrictEqual(accounts[id], truth))
  const rows = [
    ['streams', figure(streams.length)],
    [
      'missing lines, all found as gaps',
      figure(sum(({ gaps }) => gaps.reduce((all, [from, to]) => all + to - from, 0))),
    ],
    ['duplicate lines, all found', figure(sum(({ duplicates }) => duplicates))],
    ['events told as lost by the agents', figure(sum(({ told }) => told))],
    ['streams without an end, all found', figure(sum(({ isCutOff }) => Number(isCutOff)))],
    ['lines lost behind the last line of those', figure(hosts.reduce((all, { lostAtEnd }) => all + lostAtEnd, 0))],
    ['hosts whose account differs from the truth', figure(wrong.length)],
    ['lines/s', figure(lines / seconds)],
    ['CPU µs a line, sink', figure((cpuSeconds / lines) * 1e6)],
    ['bytes a line', figure(bytes / total)],
    ['memory of the sink, MB', figure(rss / 1e6)],
  ]
  console.log(align(rows))
  if (wrong.length > 0) process.exitCode = 1
}
