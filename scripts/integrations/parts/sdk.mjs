// examples/opentelemetry.mjs: the SDK of OpenTelemetry, into a collector that may be away.

import { join } from 'node:path'
import { Sink } from '../collector.mjs'
import { Account } from '../account.mjs'
import { startLoad } from '../load.mjs'
import { Program, pause, until } from '../programs.mjs'

export async function run(checks, tools, rate) {
  await once(checks, tools, rate, 'undisturbed', 20, 0)
  await once(checks, tools, rate, 'the collector is away for 10 s', 15, 10)
  // Longer than the queue in memory lasts.
  await once(checks, tools, rate, 'the collector is away for 30 s', 35, 30)
}

async function once(checks, tools, rate, title, seconds, away) {
  if (!checks.isWanted(title)) return
  const folder = tools.folder('sdk')
  const application = tools.application('sdk', tools.npm, 'opentelemetry.mjs')
  const sink = new Sink(tools, folder)
  await sink.start()
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.http}` }
  const sender = new Program(process.execPath, [join(application, 'opentelemetry.mjs')], { env, cwd: application })
  await until('it is ready', () => sender.text.includes('ready'))
  const before = sender.cpu
  const load = await startLoad(tools, seconds, rate)
  await pause(2)
  if (away > 0) await sink.away(away)
  const done = await load.done
  const account = new Account(done)
  await sink.settle(account, 45)
  const cpu = away === 0 ? [['program', sender.cpu - before]] : []
  const memory = sender.memoryMax
  await sender.end('SIGTERM', 60)
  await sink.settle(account, 5)
  account.check(checks, title, { cpu, memory })
  checks.figure('the program says', sender.text.slice(sender.text.lastIndexOf('{')).trim())
}
