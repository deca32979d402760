// Prometheus of the distribution, which scrapes examples/metrics and evaluates its rules. promtool checks the rules.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { startLoad } from '../load.mjs'
import { Program, freePort, isServed, pause, run as runProgram, until } from '../programs.mjs'

export async function run(checks, tools, isQuick) {
  const prometheus = tools.debian('prometheus', 'prometheus')
  const rules = join(root, 'examples', 'metrics', 'rules.yml')
  const { code, text } = await runProgram('promtool', ['check', 'rules', rules])
  checks.check('promtool accepts rules.yml', code === 0, text.trim().split('\n').at(-1))

  const folder = tools.folder('prometheus')
  const [port, own] = [await freePort(), await freePort()]
  const env = { ...process.env, PORT: String(port) }
  const server = new Program(process.execPath, [join(root, 'examples', 'metrics', 'server.mjs')], { env })
  const config = join(folder, 'prometheus.yml')
  const scrape = { job_name: 'proc-events', static_configs: [{ targets: [`localhost:${port}`] }] }
  const settings = { global: { scrape_interval: '1s', evaluation_interval: '1s' }, rule_files: [rules] }
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ ...settings, scrape_configs: [scrape] }))
  const log = join(folder, 'log')
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${own}`,
  ]
  let database = new Program(prometheus, args, { output: log, errors: log })
  const api = `http://127.0.0.1:${own}`
  await until('Prometheus is ready', () => isServed(`${api}/-/ready`))
  const query = async (expression) => {
    const response = await fetch(`${api}/api/v1/query?query=${encodeURIComponent(expression)}`)
    const { data } = await response.json()
    return data.result.reduce((sum, { value }) => sum + Number(value[1]), 0)
  }
  await until('the endpoint is scraped', async () => (await query('proc_events_source')) === 1)

  const ended = () => query('sum(processes_ended_total)')
  const before = await ended()
  const cpu = server.cpu
  const load = startLoad(tools, 20, isQuick)
  const { processes, rate } = await load.done
  // Other processes of the machine are counted, too.
  const isCounted = async () => (await ended()) - before >= processes
  await until('the load is counted', isCounted).catch(() => {})
  const counted = (await ended()) - before
  const lost = await query('sum(proc_events_lost_total)')
  checks.check(
    '20 s',
    counted + lost >= processes,
    `${counted} exits of ${processes} and others, ${lost} lost, ${rate} events/s`,
  )
  checks.figure('CPU time an event', `${(((server.cpu - cpu) / 2 / counted) * 1e6).toFixed(0)} µs`)

  // Counters do not need the receiver: what happened meanwhile is in the next scrape.
  const atStop = await ended()
  const second = startLoad(tools, 15, isQuick)
  await pause(2)
  await database.end()
  await pause(10)
  database = new Program(prometheus, args, { output: log, errors: log })
  const { processes: more } = await second.done
  await until('Prometheus is ready', () => isServed(`${api}/-/ready`))
  await until('the load is counted', async () => (await ended()) - atStop >= more).catch(() => {})
  const all = (await ended()) - atStop
  checks.check('Prometheus is away for 10 s', all + lost >= more, `${all} exits of ${more} and others`)

  // A stopped server loses what its queues cannot hold. The rule tells of it.
  const third = startLoad(tools, 15, isQuick)
  server.signal('SIGSTOP')
  await pause(10)
  server.signal('SIGCONT')
  await third.done
  const alerts = async (name) => {
    const { data } = await (await fetch(`${api}/api/v1/alerts`)).json()
    return data.alerts.filter(({ labels, state }) => labels.alertname === name && state !== 'inactive').length
  }
  const isEven = async () =>
    (await query('sum(proc_events_lost_total)')) === lost || (await alerts('ProcEventsLost')) > 0
  await until('a loss is an alert', isEven, 20)
  checks.check(
    'the endpoint is stopped for 10 s: a loss is an alert',
    await isEven(),
    `${await query('sum(proc_events_lost_total)')} lost`,
  )
  await server.end()
  await until('the end is an alert', async () => (await alerts('ProcEventsDown')) > 0, 20)
  checks.check('an endpoint that is gone is an alert', true)
}
