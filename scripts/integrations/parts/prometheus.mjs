// Prometheus of the distribution, which scrapes examples/metrics and evaluates its rules. promtool checks the rules.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { stopped } from '../disturbances.mjs'
import { checkRow } from '../account.mjs'
import { startLoad } from '../load.mjs'
import { Program, freePort, isServed, pause, run as runProgram, until } from '../programs.mjs'

export async function run(checks, tools, rate) {
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
  const query = async (expression, of = (result) => result.reduce((sum, { value }) => sum + Number(value[1]), 0)) => {
    const response = await fetch(`${api}/api/v1/query?query=${encodeURIComponent(expression)}`)
    const { data, error } = await response.json()
    if (error !== undefined) throw new Error(`${expression}: ${error}`)
    return of(data.result)
  }
  await until('the endpoint is scraped', async () => (await query('proc_events_source')) === 1)

  const counts = async () => {
    return {
      // An exit whose outcome is unknown was repaired after a loss.
      exits: await query('sum(processes_ended_total{outcome!="unknown"})'),
      execs: await query('sum(processes_started_total)'),
      lost: await query('sum(proc_events_lost_total)'),
    }
  }

  /** Makes a load, and compares the counters with the processes of the whole machine meanwhile. */
  async function once(title, seconds, disturb) {
    const before = await counts()
    const cpu = server.cpu
    const load = await startLoad(tools, seconds, rate, 'exec,exit')
    await pause(2)
    await disturb()
    const { lives, began, rate: reached } = await load.done
    const sent = { exits: lives.exited.length, execs: lives.execs.length }
    await until('Prometheus is ready', () => isServed(`${api}/-/ready`))
    let after = before
    const increase = (name) => after[name] - before[name]
    const isCounted = async () => {
      after = await counts()
      return increase('exits') + increase('execs') + increase('lost') >= sent.exits + sent.execs
    }
    await until('the load is counted', isCounted).catch(() => {})
    const [exits, lost] = [increase('exits'), increase('lost')]
    checkRow(checks, {
      title,
      sent: sent.exits,
      delivered: Math.min(sent.exits, exits),
      missing: { exits: Math.max(0, sent.exits - exits), execs: Math.max(0, sent.execs - increase('execs')) },
      causes: lost > 0 ? { proc_events_lost_total: lost } : {},
      gaps: 0,
      duplicates: 0,
      rate: reached,
      seconds: Math.round((Date.now() - began) / 1000),
      cpu: [['endpoint', Math.round(((server.cpu - cpu) / 2 / exits) * 1e6)]],
      memory: server.memoryMax,
    })
    return lost
  }

  await once('undisturbed', 20, async () => {})
  await evaluate(checks, query)
  // Counters do not need the receiver: what happened meanwhile is in the next scrape.
  await once('Prometheus is away for 10 s', 15, async () => {
    await database.end()
    await pause(10)
    database = new Program(prometheus, args, { output: log, errors: log })
  })

  // A stopped server loses what its queues cannot hold. The rule tells of it.
  const alerts = async (name) => {
    const { data } = await (await fetch(`${api}/api/v1/alerts`)).json()
    return data.alerts.filter(({ labels, state }) => labels.alertname === name && state !== 'inactive').length
  }
  const lost = await once('the endpoint is stopped (SIGSTOP) for 10 s', 15, () => stopped('server')({ server }))
  const isTold = async () => lost === 0 || (await alerts('ProcEventsLost')) > 0
  await until('a loss is an alert', isTold, 20).catch(() => {})
  checks.check('a loss is an alert', await isTold(), `${lost} lost`)
  await server.end()
  await until('the end is an alert', async () => (await alerts('ProcEventsDown')) > 0, 20)
  checks.check('an endpoint that is gone is an alert', true)
}

/** Evaluates each query of dashboard.json, as Grafana does after it has put in the variables. */
async function evaluate(checks, query) {
  const { panels } = JSON.parse(readFileSync(join(root, 'examples', 'metrics', 'dashboard.json'), 'utf8'))
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const variables = { $instance: '.*', $__rate_interval: '5s', $__range: '30s' }
  const counts = []
  for (const expression of expressions) {
    const put = Object.entries(variables).reduce((text, [name, value]) => text.replaceAll(name, value), expression)
    counts.push([expression, await query(put, (result) => result.length)])
  }
  const empty = counts.filter(([, count]) => !(count > 0)).map(([expression]) => expression)
  checks.check(
    'each query of dashboard.json has an answer',
    empty.length === 0,
    `${counts.length} queries ${empty.join(' ')}`,
  )
}
