// `npm run integrations`: follows the recipes in examples/ with the real services, with real events through them.
//
//   npm run integrations [-- --install] [-- --quick] [-- PART...]
//
// --install gets what is missing from the registries: packages of Debian, Go modules, packages of npm, PyPI and crates.io.
// --quick makes a tenth of the events. Without a part, all of them run.

import { parseArgs } from 'node:util'
import { say } from '../step.mjs'
import { Report } from './report.mjs'
import { Tools } from './tools.mjs'

const parts = {
  kubernetes: () => import('./parts/kubernetes.mjs'),
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

const options = { install: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } }
const { values, positionals } = parseArgs({ allowPositionals: true, options })
const unknown = positionals.find((name) => !(name in parts))
if (unknown !== undefined) {
  say(`integrations: unknown part '${unknown}'. The parts are ${Object.keys(parts).join(', ')}`)
  process.exit(64)
}

const report = new Report()
const tools = new Tools(values.install)
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
    const { run } = await parts[name]()
    await report.part(name, (checks) => run(checks, tools, values.quick))
  }
} finally {
  tools.close()
}
for (const name of NOT_RUN) say(`not run: ${name}, which no package registry has`)
console.log(report.summary())
process.exitCode = report.failed > 0 ? 1 : 0
