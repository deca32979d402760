// `npm run integrations`: follows the recipes in examples/ with the real services, with real events through them.
//
//   npm run integrations [-- --install] [-- --full | --rate N] [-- --case TEXT] [-- --write] [-- PART...]
//
// --install gets what is missing from the registries: packages of Debian, Go modules, packages of npm, PyPI and crates.io.
// --full makes 5,000 events a second: 100,000 in 20 s, 75,000 in 15 s. --rate N makes N, by default 500. --case TEXT runs only
// the cases whose titles contain the text, or one of several. --write puts the results into docs/integrations.md, beside those of other parts, cases
// and rates. Without a part, all of them run.

import { parseArgs } from 'node:util'
import { say } from '../step.mjs'
import { FULL_RATE } from './load.mjs'
import { Report } from './report.mjs'
import { save } from './results.mjs'
import { Tools } from './tools.mjs'

const parts = {
  kubernetes: () => import('./parts/kubernetes.mjs'),
  grafana: () => import('./parts/grafana.mjs'),
  vector: () => import('./parts/vector.mjs'),
  prometheus: () => import('./parts/prometheus.mjs'),
  file: () => import('./parts/file.mjs'),
  gateway: () => import('./parts/gateway.mjs'),
  journald: () => import('./parts/journald.mjs'),
  sdk: () => import('./parts/sdk.mjs'),
  nats: () => import('./parts/nats.mjs'),
  systemd: () => import('./parts/systemd.mjs'),
  duckdb: () => import('./parts/duckdb.mjs'),
}

/** Services that no package registry has, so that no part runs them. */
const NOT_RUN = ["Vector's binary", 'Grafana', 'Loki', 'a kubelet', 'Kafka', 'ClickHouse']

const options = {
  install: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  rate: { type: 'string', default: '500' },
  case: { type: 'string', multiple: true, default: [] },
  write: { type: 'boolean', default: false },
}
const { values, positionals } = parseArgs({ allowPositionals: true, options })
const unknown = positionals.find((name) => !(name in parts))
if (unknown !== undefined) {
  say(`integrations: unknown part '${unknown}'. The parts are ${Object.keys(parts).join(', ')}`)
  process.exit(64)
}

const rate = values.full ? FULL_RATE : Number(values.rate)
if (!Number.isInteger(rate) || rate < 10 || rate > 100_000) {
  say(`integrations: --rate: not a number from 10 to 100000, got '${values.rate}'`)
  process.exit(64)
}

const report = new Report(values.case, (results) => values.write && save(results, { rate, notRun: NOT_RUN }))
const tools = new Tools(values.install)
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
    const { run } = await parts[name]()
    await report.part(name, (checks) => run(checks, tools, rate))
  }
} finally {
  tools.close()
}
for (const name of NOT_RUN) say(`not run: ${name}, which no package registry has`)
console.log(report.summary())
process.exitCode = report.failed > 0 ? 1 : 0
