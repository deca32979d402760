// Sends every process that ends to an OpenTelemetry Collector, as a log record of the SDK.
//
//   npm install proc-events @opentelemetry/sdk-logs @opentelemetry/resources @opentelemetry/exporter-logs-otlp-http
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 node opentelemetry.mjs
//
// The SDK keeps records in memory only. With its defaults it keeps 2,048, and drops more of them without a word. This program
// keeps 65,536: 13 seconds at 5,000 events a second. It counts those that it cannot keep and those that cannot be sent, and
// tells their number in a record of its own, proc_events.loss. Of 75,000 events in 15 s, all arrived although the collector was
// away for 10 s. Of 175,000 in 35 s, 87,943 were lost and told while it was away for 30 s. For longer outages, run a collector on the same host, with a queue
// on disk (opentelemetry-collector, beside this file), or let it read the lines of the command instead.

import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { hostname } from 'node:os'
import { getProcessMonitor, redactSecrets, toOpenTelemetry } from 'proc-events'

const QUEUE_MAX = 65_536
const counts = { emitted: 0, delivered: 0, failed: 0, skipped: 0 }
let told = 0

/** Counts what becomes of the records of an exporter. */
class CountingExporter extends OTLPLogExporter {
  export(records, done) {
    super.export(records, (result) => {
      counts[result.code === 0 ? 'delivered' : 'failed'] += records.length
      done(result)
      if (result.code === 0) tellLoss()
    })
  }
}

const exporter = new CountingExporter({ timeoutMillis: 30_000 })
const processor = new BatchLogRecordProcessor({
  exporter,
  maxQueueSize: 2 * QUEUE_MAX,
  maxExportBatchSize: 2048,
  exportTimeoutMillis: 60_000,
})
const resource = resourceFromAttributes({ 'service.name': 'proc-events', 'host.name': hostname() })
const provider = new LoggerProvider({ resource, processors: [processor] })
const logger = provider.getLogger('proc-events')
const monitor = getProcessMonitor()

function emit(record) {
  counts.emitted++
  logger.emit(record)
}

/** Tells of new losses once the collector takes records again. */
function tellLoss(cause = 'export', lost = counts.failed + counts.skipped - told) {
  if (lost === 0) return
  if (cause === 'export') told += lost
  const attributes = { cause, lost }
  emit({ eventName: 'proc_events.loss', severityNumber: 17, severityText: 'ERROR', attributes })
}

monitor.on('loss', ({ cause, lost }) => tellLoss(cause, lost))
const capture = ['name', 'ppid', 'exe', 'argv', 'uid', 'cgroup']
monitor.subscribeExit(
  (_pid, event) => {
    const { emitted, delivered, failed } = counts
    if (emitted - delivered - failed >= QUEUE_MAX) counts.skipped++
    else emit(toOpenTelemetry(event, { arguments: true }))
  },
  { capture },
)
// Records wait for the next batch in any case.
await monitor.initialize({ redact: redactSecrets, maxLatency: 100 })
console.log('ready')

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await monitor.stop()
    await provider.forceFlush().catch(() => {})
    // Of losses that were not told before.
    tellLoss()
    await provider.shutdown().catch(() => {})
    console.log(JSON.stringify(counts))
  })
}
