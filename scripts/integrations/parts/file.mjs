// An agent that writes to a file, and the collector of examples/opentelemetry-collector/file.yaml, which reads it.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Sink, startCollector } from '../collector.mjs'
import { Account, startLoad } from '../load.mjs'
import { Program, pause, until } from '../programs.mjs'

export async function run(checks, tools, isQuick) {
  await once(checks, tools, isQuick, '20 s', 20, async () => {})
  await once(checks, tools, isQuick, 'the receiver is away for 10 s', 15, ({ sink }) => sink.away(10))
  await once(checks, tools, isQuick, 'the collector is away for 10 s', 15, async (chain) => {
    await chain.collector.end()
    await pause(10)
    chain.collector = chain.start()
  })
  await once(checks, tools, isQuick, 'the collector is killed, and away for 10 s', 15, async (chain) => {
    await chain.collector.end('SIGKILL')
    await pause(10)
    chain.collector = chain.start()
  })
  await once(checks, tools, isQuick, 'the agent is stopped (SIGSTOP) for 10 s', 15, async ({ agent }) => {
    agent.signal('SIGSTOP')
    await pause(10)
    agent.signal('SIGCONT')
  })
}

async function once(checks, tools, isQuick, title, seconds, disturb) {
  const folder = tools.folder('file')
  const sink = new Sink(tools, folder)
  await sink.start()
  const events = join(folder, 'events.ndjson')
  const agent = new Program('proc-events', ['--json', '--redact'], { env: tools.environment, output: events })
  const env = { ...sink.endpoint, STATE_DIRECTORY: join(folder, 'state'), PROC_EVENTS_FILES: `${folder}/*.ndjson*` }
  const start = () => startCollector(tools, 'file.yaml', env, { log: join(folder, 'collector.log') })
  const chain = { sink, agent, start, collector: start() }
  await until('the agent writes', () => statSync(events).size > 0)
  const before = { agent: agent.cpu, collector: chain.collector.cpu }
  const load = startLoad(tools, seconds, isQuick)
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
  account.check(checks, title, done)
  if (seconds !== 20) return
  const p99 = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.99)]
  checks.figure('until the collector has read it', `p99 ${p99.toFixed(0)} ms`)
  checks.figure('bytes a record, as OTLP in JSON', Math.round(bytes / account.lines))
  checks.figure('bytes a line of the agent', Math.round(statSync(events).size / account.lines))
  for (const [name, used] of Object.entries(cpu))
    checks.figure(`CPU time an event, ${name}`, `${((used / account.lines) * 1e6).toFixed(0)} µs`)
}
