// The whole chain: agent, collector of the host, gateway tier and store, with the gateway away.

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Sink, listens, startCollector } from '../collector.mjs'
import { Account } from '../account.mjs'
import { startLoad } from '../load.mjs'
import { Program, freePort, pause, until } from '../programs.mjs'

export async function run(checks, tools, rate) {
  await once(checks, tools, rate, 'undisturbed', 20, async () => {})
  await once(checks, tools, rate, 'the gateway is away for 10 s, then the store for 5 s', 15, async (chain) => {
    await chain.gateway.end()
    await pause(10)
    await chain.startGateway()
    await chain.sink.away(5)
  })
}

async function once(checks, tools, rate, title, seconds, disturb) {
  if (!checks.isWanted(title)) return
  const folder = tools.folder('gateway')
  const sink = new Sink(tools, folder)
  await sink.start()
  const port = await freePort()
  const upper = { ...sink.endpoint, STATE_DIRECTORY: join(folder, 'gateway'), OTLP_LISTEN: `127.0.0.1:${port}` }
  const chain = { sink }
  chain.startGateway = async () => {
    chain.gateway = startCollector(tools, 'gateway.yaml', upper, { log: join(folder, 'gateway.log') })
    await until('the gateway listens', () => listens(port))
  }
  await chain.startGateway()
  const events = join(folder, 'events.ndjson')
  const agent = new Program('proc-events', ['--events', 'exit', '--redact', '--output', events], {
    env: tools.environment,
  })
  await until('the agent writes', () => existsSync(events) && statSync(events).size > 0)
  const lower = {
    OTLP_ENDPOINT: `127.0.0.1:${port}`,
    OTLP_INSECURE: 'true',
    STATE_DIRECTORY: join(folder, 'host'),
    PROC_EVENTS_FILES: events,
  }
  const collector = startCollector(tools, 'file.yaml', lower, { log: join(folder, 'host.log') })
  const parts = () => ({ agent, collector, gateway: chain.gateway, receiver: sink.program })
  const before = Object.values(parts()).map(({ cpu }) => cpu)
  const load = await startLoad(tools, seconds, rate)
  await pause(2)
  await disturb(chain)
  const done = await load.done
  const account = new Account(done)
  await sink.settle(account, 90)
  const isWhole = title === 'undisturbed'
  const cpu = isWhole ? Object.entries(parts()).map(([name, part], index) => [name, part.cpu - before[index]]) : []
  const memory = agent.memoryMax
  await agent.end()
  await sink.settleEnd(account)
  for (const part of Object.values(parts())) await part.end()
  account.check(checks, title, { cpu, memory })
}
