// examples/nats/publish.mjs, into a NATS server with JetStream that may be away.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { listens } from '../collector.mjs'
import { Account } from '../account.mjs'
import { startLoad } from '../load.mjs'
import { Program, freePort, pause, until } from '../programs.mjs'

export async function run(checks, tools, rate) {
  await once(checks, tools, rate, 'undisturbed', 20, 0)
  await once(checks, tools, rate, 'the server is away for 10 s', 15, 10)
}

async function once(checks, tools, rate, title, seconds, away) {
  if (!checks.isWanted(title)) return
  const folder = tools.folder('nats')
  const application = tools.application('nats', tools.npm, 'nats')
  const port = await freePort()
  const files = { output: join(folder, 'log'), errors: join(folder, 'log'), append: true }
  const args = ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', join(folder, 'data')]
  const start = () => new Program(tools.natsServer, args, files)
  let server = start()
  await until('the server listens', () => listens(port))
  const url = `nats://127.0.0.1:${port}`
  const script = join(application, 'nats', 'publish.mjs')
  const publisher = new Program(process.execPath, [script, url], { env: tools.environment, cwd: application })
  const { connect } = createRequire(join(application, 'x.js'))('@nats-io/transport-node')
  const { jetstream, jetstreamManager } = createRequire(join(application, 'x.js'))('@nats-io/jetstream')
  const state = async () => {
    const connection = await connect({ servers: url })
    try {
      return (await (await jetstreamManager(connection)).streams.info('PROC_EVENTS')).state
    } finally {
      await connection.close()
    }
  }
  await until('lines are stored', async () => (await state().catch(() => ({ messages: 0 }))).messages > 0)
  const before = publisher.cpu
  const load = await startLoad(tools, seconds, rate, 'exec,exit')
  await pause(2)
  if (away > 0) {
    await server.end()
    await pause(away)
    server = start()
    await until('the server listens', () => listens(port))
  }
  const done = await load.done
  const cpu = away === 0 ? [['command and publisher', publisher.cpu - before]] : []
  // It ends when all its lines are acknowledged.
  const [code] = await publisher.end('SIGTERM', 60)
  checks.check('the publisher ends with 0', code === 0, publisher.text.trim().split('\n').at(-1))
  const connection = await connect({ servers: url })
  const consumer = await jetstream(connection).consumers.get('PROC_EVENTS')
  const account = new Account(done)
  const { messages } = await state()
  let left = messages
  for await (const message of await consumer.consume({ max_messages: 5000 })) {
    account.add(message.json())
    if (--left === 0) break
  }
  await connection.close()
  account.check(checks, title, { cpu })
  checks.check('no line is stored twice', account.duplicates === 0)
}
