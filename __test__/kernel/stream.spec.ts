/** The async iterator and the diagnostics channels on the real kernel. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { type ExecEvent, type ExitEvent, toOpenTelemetry } from '../../dist/index.js'
import { copyOf, monitoring, run, until } from '../support/helpers.ts'

const serial = test.serial

async function all<E>(events: AsyncIterable<E>): Promise<E[]> {
  const seen: E[] = []
  for await (const event of events) seen.push(event)
  return seen
}

serial('an iterator yields events between its creation and its first use', async (t) => {
  await monitoring(async (monitor) => {
    const events = monitor.events()
    const pid = await run('/bin/sh', ['-c', 'exit 3'])
    const seen: string[] = []
    for await (const event of events) {
      if (event.pid !== pid) continue
      seen.push(event.type === 'exit' ? `exit ${event.exitCode}` : event.type)
      if (event.type === 'exit') break
    }
    t.deepEqual(seen, ['exec', 'exit 3'])
  })
})

serial('an iterator ends with the monitor and with its signal', async (t) => {
  const controller = new AbortController()
  let rest: Promise<(ExecEvent | ExitEvent)[]> | undefined
  await monitoring(async (monitor) => {
    const aborted = monitor.events({ signal: controller.signal, name: 'no such name' })
    const waiting = t.throwsAsync(aborted.next(), { name: 'AbortError' })
    controller.abort()
    await waiting
    rest = all(monitor.events({ name: 'no such name' }))
  })
  t.deepEqual(await rest, [])
})

serial('an iterator and a channel get filtered events with details and redacted arguments', async (t) => {
  const program = copyOf('/bin/sleep', 'pe-stream')
  const published: ExecEvent[] = []
  const publish = (event: unknown): void => void published.push(event as ExecEvent)
  subscribe('proc-events:exec', publish)
  try {
    await monitoring(
      async (monitor) => {
        const events = monitor.events({ name: 'pe-stream', capture: ['exe', 'argv', 'startTime'] })
        const child = spawn(program.path, ['0.06'])
        await once(child, 'exit')
        const first = (await events.next()).value as ExecEvent
        const second = (await events.next()).value as ExitEvent
        await events.return!()
        t.deepEqual([first.type, second.type], ['exec', 'exit'])
        t.deepEqual([first.pid, second.pid], [child.pid, child.pid])
        t.deepEqual([first.process.argv, second.process.argv], [[program.path], [program.path]])
        await until('it was published', () => published.some(({ pid }) => pid === child.pid))
        t.is(published.find(({ pid }) => pid === child.pid)!.process, first.process)

        const { attributes, timestamp } = toOpenTelemetry(second)
        t.like(attributes, { 'process.executable.name': 'pe-stream', 'process.exit.code': 0 })
        t.true(Math.abs(Date.now() - timestamp) < 5000)
        const created = Date.parse(attributes['process.creation.time']!)
        t.true(0 <= timestamp - created && timestamp - created < 1000, String(timestamp - created))
      },
      { redact: ([path]) => [path!] },
    )
  } finally {
    unsubscribe('proc-events:exec', publish)
    program.remove()
  }
})
