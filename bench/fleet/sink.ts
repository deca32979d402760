/**
 * The sink of the `fleet` benchmark, a process of its own: reads `nats URL LINES` or `tcp LINES`, and prints the accounts of all
 * hosts and its cost as JSON. A TCP connection begins with the host's id. The sink of TCP first prints its port.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { Ledger, type Line } from './ledger.ts'

const ledger = new Ledger()
const [transport, ...rest] = process.argv.slice(2)

function finish(lines: number, began: number): void {
  const { user, system } = process.cpuUsage()
  const seconds = (performance.now() - began) / 1000
  const cost = { lines, seconds, cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage().rss }
  process.stdout.write(`${JSON.stringify({ ...cost, accounts: ledger.accounts() })}\n`, () => process.exit(0))
}

async function nats(url: string, total: number, modules: string): Promise<void> {
  const require = createRequire(`${modules}/x.js`)
  const connection = await require('@nats-io/transport-node').connect({ servers: url })
  const consumer = await require('@nats-io/jetstream').jetstream(connection).consumers.get('FLEET')
  const began = performance.now()
  let lines = 0
  for await (const message of await consumer.consume({ max_messages: 10_000 })) {
    ledger.add(message.subject.slice('fleet.'.length), message.json() as Line)
    message.ack()
    if (++lines === total) break
  }
  finish(lines, began)
}

async function tcp(total: number): Promise<void> {
  let lines = 0
  let began = 0
  const server = createServer((socket) => {
    began ||= performance.now()
    let host: string | undefined
    createInterface({ input: socket }).on('line', (text) => {
      if (host === undefined) host = text
      else {
        ledger.add(host, JSON.parse(text) as Line)
        if (++lines === total) finish(lines, began)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
}

await (transport === 'nats' ? nats(rest[0]!, Number(rest[1]), rest[2]!) : tcp(Number(rest[0])))
