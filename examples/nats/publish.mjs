// Publishes every process that starts or ends to NATS JetStream, one message a line of `proc-events --json`.
//
//   npm install proc-events @nats-io/transport-node @nats-io/jetstream
//   node publish.mjs nats://localhost:4222
//
// A message has an id, so that JetStream stores a line once even if its acknowledgement was lost. While the server is away,
// the newest lines wait here, and then in the command. The command counts the lines that it cannot keep, and writes their
// number as a line of the type loss.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

const [servers = 'nats://localhost:4222', ...options] = process.argv.slice(2)
const { PROC_EVENTS = 'proc-events', STREAM = 'PROC_EVENTS' } = process.env
/** Lines whose acknowledgement may be awaited at once. More of them are left to the command. */
const PENDING_MAX = 4000

const connection = await connect({
  servers,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 500,
  waitOnFirstConnect: true,
})
const manager = await jetstreamManager(connection)
// File storage is the default. The server remembers the ids for the time of duplicate_window, in nanoseconds.
const settings = { name: STREAM, subjects: ['proc-events.>'], max_bytes: 10e9, duplicate_window: 600e9 }
await manager.streams.info(STREAM).catch(() => manager.streams.add(settings))
const js = jetstream(connection)

// A command without a path is found in PATH.
const [command, ...before] = PROC_EVENTS.split(' ')
const agent = spawn(command, [...before, '--json', '--redact', ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(agent, 'exit')
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => agent.kill('SIGTERM'))

// A host's name is part of the subject, in which a dot separates words.
const subject = `proc-events.${hostname().replaceAll(/[^\w-]/g, '_')}`
const pending = new Set()
const counts = { lines: 0, stored: 0, duplicates: 0, retries: 0 }

async function publish(line, msgID) {
  for (;;) {
    try {
      const { duplicate } = await js.publish(subject, line, { msgID, timeout: 5000 })
      counts[duplicate ? 'duplicates' : 'stored']++
      return
    } catch {
      counts.retries++
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

// The first line names the stream, whose lines are numbered from 0 on.
let stream
for await (const line of createInterface({ input: agent.stdout })) {
  stream ??= JSON.parse(line).stream
  const publishing = publish(line, `${stream}-${counts.lines++}`)
  pending.add(publishing)
  publishing.then(() => pending.delete(publishing))
  while (pending.size >= PENDING_MAX) await Promise.race(pending)
}
await Promise.all(pending)
await connection.drain()
console.log(JSON.stringify(counts))
const [code] = await ended
process.exitCode = code ?? 1
