// Serves to Prometheus how many processes start, how they end and how long they live, with the monitor's own figures:
// http://localhost:9464/metrics. dashboard.json, beside this file, draws them in Grafana.
//
//   npm install proc-events prom-client
//   node server.mjs

import { createServer } from 'node:http'
import { getProcessMonitor } from 'proc-events'
import { collectMonitorMetrics } from 'proc-events/prometheus'
import { Counter, Histogram, Registry } from 'prom-client'

const { PORT = '9464', HOST = '127.0.0.1' } = process.env
const register = new Registry()
const registers = [register]
const monitor = getProcessMonitor()
collectMonitorMetrics(monitor, { register })

// There is no label for the program, because any user could then create any number of series. Add one for a few programs.
const started = new Counter({ registers, name: 'processes_started_total', help: 'Programs started.' })
const ended = new Counter({
  registers,
  name: 'processes_ended_total',
  help: 'Processes ended, by how: success, failure (an exit code), signal, unknown (the report was lost).',
  labelNames: ['outcome'],
})
const lifetime = new Histogram({
  registers,
  name: 'process_lifetime_seconds',
  help: 'From the last program that a process started to its end.',
  buckets: [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600],
})

monitor.subscribeExec((_pid, { origin }) => {
  // Those that were running before have not been started now.
  if (origin !== 'bootstrap') started.inc()
})
monitor.subscribeExit((_pid, { exitCode, signal, durationNs }) => {
  ended.inc({ outcome: signal ? 'signal' : exitCode === null ? 'unknown' : exitCode === 0 ? 'success' : 'failure' })
  if (durationNs !== null) lifetime.observe(durationNs / 1e9)
})
await monitor.initialize()

const server = createServer(async (request, response) => {
  if (new URL(request.url, 'http://localhost').pathname !== '/metrics') return response.writeHead(404).end()
  response.setHeader('content-type', register.contentType)
  response.end(await register.metrics())
})
server.listen(Number(PORT), HOST, () => console.log(`http://${HOST}:${server.address().port}/metrics`))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close()
    server.closeAllConnections()
    monitor.stop()
  })
}
