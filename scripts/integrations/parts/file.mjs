// An agent that writes to a file, and the collector of examples/opentelemetry-collector/file.yaml, which reads it.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { Sink, startCollector } from '../collector.mjs'
import { collectorAway, receiverAway, stopped } from '../disturbances.mjs'
import { Account } from '../account.mjs'
import { LONG, startLoad, startLongArguments } from '../load.mjs'
import { Program, pause, until } from '../programs.mjs'

const { parseAllDocuments } = createRequire(import.meta.url)('yaml')

const cases = {
  undisturbed: [20, async () => {}],
  'the receiver is away for 10 s': [15, receiverAway],
  'the collector is away for 10 s': [15, collectorAway()],
  'the collector is killed, and away for 10 s': [15, collectorAway('SIGKILL')],
  'the agent is stopped (SIGSTOP) for 10 s': [15, stopped('agent')],
  'the disk is full for 10 s': [15, diskFull, 'place'],
  'the disk is full for 10 s, with --buffer 64M': [15, diskFull, 'place', ['--buffer=64M']],
  "the receiver is away for 10 s, and the collector's disk is full": [15, queueFull, 'state'],
  // Lines of 200 kB.
  'long arguments': [null, async () => {}],
}

export async function run(checks, tools, rate) {
  for (const [title, [seconds, disturb, disk, options]] of Object.entries(cases)) {
    if (!checks.isWanted(title)) continue
    if (disk !== undefined && process.getuid() !== 0) checks.skip(title, 'root is needed')
    else await once(checks, tools, rate, title, seconds, disturb, disk, options)
  }
}

/** Fills a disk, and returns how to make room again. */
function fill(folder) {
  const filler = join(folder, 'filler')
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'])
  return () => rmSync(filler)
}

async function diskFull({ place }) {
  const empty = fill(place)
  await pause(10)
  empty()
}

async function queueFull(chain) {
  const empty = fill(chain.state)
  await receiverAway(chain)
  empty()
}

/** The arguments of the agent in examples/kubernetes. */
function argumentsFor(folder) {
  const [, set] = parseAllDocuments(readFileSync(join(root, 'examples', 'kubernetes', 'daemonset.yaml'), 'utf8'))
  return set.toJS().spec.template.spec.containers[0].args.map((word) => word.replace('/events/', `${folder}/`))
}

async function once(checks, tools, rate, title, seconds, disturb, disk, options = []) {
  const folder = tools.folder('file')
  const sink = new Sink(tools, folder)
  await sink.start()
  const folders = { place: join(folder, 'events'), state: join(folder, 'state') }
  const { place, state } = folders
  for (const made of [place, state]) mkdirSync(made)
  if (disk !== undefined) tools.mountSmall(folders[disk])
  const events = join(place, 'events.ndjson')
  const agent = new Program('proc-events', [...argumentsFor(place), ...options], { env: tools.environment })
  const env = { ...sink.endpoint, STATE_DIRECTORY: state, PROC_EVENTS_FILES: `${place}/*.ndjson*` }
  const start = () => startCollector(tools, 'file.yaml', env, { log: join(folder, 'collector.log') })
  const chain = { sink, agent, ...folders, start, collector: start() }
  await until('the agent writes', () => existsSync(events) && statSync(events).size > 0)
  const used = () => [agent.cpu, chain.collector.cpu, sink.program.cpu]
  const before = used()
  const load = await (seconds === null ? startLongArguments(tools, 300) : startLoad(tools, seconds, rate))
  await pause(2)
  await disturb(chain)
  const done = await load.done
  const account = new Account(done)
  const delays = []
  let [bytes, records, long] = [0, 0, 0]
  const take = (line, record) => {
    account.add(line)
    // Only lines with all details count: a process without an exec has fewer.
    if (line.argv !== undefined) bytes += JSON.stringify(record).length
    if (line.argv !== undefined) records++
    if (line.type === 'exit' && line.argv?.join('').length >= LONG) long++
    if (line.ppid !== load.pid) return
    delays.push(Number(BigInt(record.observedTimeUnixNano) - BigInt(record.timeUnixNano)) / 1e6)
  }
  await sink.settle(account, 60, take)
  const spent = used().map((time, index) => time - before[index])
  const memory = agent.memoryMax
  await agent.end()
  await sink.settleEnd(account)
  await chain.collector.end()
  await sink.end()
  const isWhole = title === 'undisturbed'
  const cpu = isWhole ? ['agent', 'collector', 'receiver'].map((name, index) => [name, spent[index]]) : []
  account.check(checks, title, { bytes: bytes / records, cpu, memory })
  if (seconds === null) checks.check('long arguments arrive', long === done.processes, `${long} of ${done.processes}`)
  if (!isWhole) return
  const p99 = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.99)]
  checks.figure('until the collector has read it', `p99 ${p99.toFixed(0)} ms`)
  const lines = readFileSync(events, 'utf8').split('\n')
  const whole = lines.filter((line) => line.includes('"argv":['))
  const length = whole.reduce((sum, line) => sum + line.length + 1, 0)
  checks.check('bytes a line of a program', whole.length > 0, String(Math.round(length / whole.length)))
}
