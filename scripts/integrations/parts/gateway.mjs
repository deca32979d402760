// The whole chain: agent, collector of the host, gateway tier and store, with the gateway away.

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Sink, listens, startCollector } from '../collector.mjs'
import { Account, startLoad } from '../load.mjs'
import { Program, freePort, pause, until } from '../programs.mjs'

export async function run(checks, tools, isQuick) {
  const folder = tools.folder('gateway')
  const sink = new Sink(tools, folder)
  await sink.start()
  const port = await freePort()
  const upper = { ...sink.endpoint, STATE_DIRECTORY: join(folder, 'gateway'), OTLP_LISTEN: `127.0.0.1:${port}` }
  const startGateway = () => startCollector(tools, 'gateway.yaml', upper, { log: join(folder, 'gateway.log') })
  let gateway = startGateway()
  await until('the gateway listens', () => listens(port))
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
  startCollector(tools, 'file.yaml', lower, { log: join(folder, 'host.log') })
  const load = startLoad(tools, 15, isQuick, 1)
  await pause(2)
  await gateway.end()
  await pause(10)
  gateway = startGateway()
  await until('the gateway listens', () => listens(port))
  await sink.end()
  await pause(5)
  await sink.start()
  const done = await load.done
  const account = new Account(load.pid)
  await sink.settle(account, done.processes, 90)
  await agent.end()
  account.check(checks, 'the gateway is away for 10 s, then the store for 5 s', done)
}
