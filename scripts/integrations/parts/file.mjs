// An agent that writes to a file, and the collector of examples/opentelemetry-collector/file.yaml, which reads it.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { Sink, startCollector } from '../collector.mjs'
import { collectorAway, receiverAway, stopped } from '../disturbances.mjs'
import { Account, startLoad } from '../load.mjs'
import { Program, pause, until } from '../programs.mjs'

const { parseAllDocuments } = createRequire(import.meta.url)('yaml')

export async function run(checks, tools, isQuick) {
  await once(checks, tools, isQuick, '20 s', 20, async () => {})
  await once(checks, tools, isQuick, 'the receiver is away for 10 s', 15, receiverAway)
  await once(checks, tools, isQuick, 'the collector is away for 10 s', 15, collectorAway())
  await once(checks, tools, isQuick, 'the collector is killed, and away for 10 s', 15, collectorAway('SIGKILL'))
  await once(checks, tools, isQuick, 'the agent is stopped (SIGSTOP) for 10 s', 15, stopped('agent'))
  if (process.getuid() === 0) await once(checks, tools, isQuick, 'the disk is full for 10 s', 15, fillDisk, mountSmall)
}

/** Mounts a disk of 64 MB, and returns how to unmount it. */
function mountSmall(folder) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder])
  return () => execFileSync('umount', ['--lazy', folder])
}

async function fillDisk({ place }) {
  const filler = join(place, 'filler')
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'])
  await pause(10)
  rmSync(filler)
}

/** The arguments of the agent in examples/kubernetes. */
function argumentsFor(folder) {
  const [, set] = parseAllDocuments(readFileSync(join(root, 'examples', 'kubernetes', 'daemonset.yaml'), 'utf8'))
  return set.toJS().spec.template.spec.containers[0].args.map((word) => word.replace('/events/', `${folder}/`))
}

async function once(checks, tools, isQuick, title, seconds, disturb, mount = () => () => {}) {
  const folder = tools.folder('file')
  const sink = new Sink(tools, folder)
  await sink.start()
  const place = join(folder, 'events')
  mkdirSync(place)
  const unmount = mount(place)
  const events = join(place, 'events.ndjson')
  const agent = new Program('proc-events', argumentsFor(place), { env: tools.environment })
  const env = { ...sink.endpoint, STATE_DIRECTORY: join(folder, 'state'), PROC_EVENTS_FILES: `${place}/*.ndjson*` }
  const start = () => startCollector(tools, 'file.yaml', env, { log: join(folder, 'collector.log') })
  const chain = { sink, agent, place, start, collector: start() }
  await until('the agent writes', () => existsSync(events) && statSync(events).size > 0)
  const before = { agent: agent.cpu, collector: chain.collector.cpu }
  const load = startLoad(tools, seconds, isQuick, 1)
  await pause(2)
  await disturb(chain)
  const done = await load.done
  const account = new Account(load.pid)
  const delays = []
  let bytes = 0
  const take = (line, record) => {
    account.add(line)
    bytes += JSON.stringify(record).length
    if (line.ppid !== load.pid) return
    delays.push(Number(BigInt(record.observedTimeUnixNano) - BigInt(record.timeUnixNano)) / 1e6)
  }
  await sink.settle(account, done.processes, 60, take)
  const cpu = { agent: agent.cpu - before.agent, collector: chain.collector.cpu - before.collector }
  await agent.end()
  await chain.collector.end()
  await sink.end()
  unmount()
  account.check(checks, title, done)
  if (seconds !== 20) return
  const p99 = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.99)]
  checks.figure('until the collector has read it', `p99 ${p99.toFixed(0)} ms`)
  checks.figure('bytes a record, as OTLP in JSON', Math.round(bytes / account.lines))
  const written = readdirSync(place).reduce((sum, name) => sum + statSync(join(place, name)).size, 0)
  checks.figure('bytes a line of the agent', Math.round(written / account.lines))
  for (const [name, used] of Object.entries(cpu))
    checks.figure(`CPU time an event, ${name}`, `${((used / account.lines) * 1e6).toFixed(0)} µs`)
}
