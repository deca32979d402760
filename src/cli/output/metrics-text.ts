/** Metrics in the text format of Prometheus, version 0.0.4. */
import { METRIC_FAMILIES } from '../../integrations/metric-families.js'
import type { MonitorStats } from '../../api/stats.js'

/** The figures of the command besides those of the monitor. */
export interface CommandFigures {
  /** Lines of the output so far. */
  readonly lines: number
  readonly skippedLines: number
  /** Bytes of lines that wait for their reader. */
  readonly heldBytes: number
  readonly cpuSeconds: number
  readonly rssBytes: number
}

interface CommandFamily {
  readonly name: string
  readonly help: string
  readonly read: (figures: CommandFigures) => number
}

const COMMAND_FAMILIES: readonly CommandFamily[] = [
  { name: 'proc_events_output_lines_total', help: 'Lines of the output.', read: ({ lines }) => lines },
  {
    name: 'proc_events_output_skipped_lines_total',
    help: 'Lines that were skipped because their reader was too slow.',
    read: ({ skippedLines }) => skippedLines,
  },
  {
    name: 'proc_events_output_held_bytes',
    help: 'Bytes of lines that wait for their reader.',
    read: ({ heldBytes }) => heldBytes,
  },
  { name: 'process_cpu_seconds_total', help: 'CPU time in seconds.', read: ({ cpuSeconds }) => cpuSeconds },
  { name: 'process_resident_memory_bytes', help: 'Physical memory in bytes.', read: ({ rssBytes }) => rssBytes },
]

export function metricsText(stats: MonitorStats, figures: CommandFigures): string {
  const monitor = METRIC_FAMILIES.map(({ name, help, by, read }) => {
    const values = read(stats)
    const samples = typeof values === 'number' ? { [name]: values } : labelled(name, by!, values)
    return family(name, help, samples)
  })
  const command = COMMAND_FAMILIES.map(({ name, help, read }) => family(name, help, { [name]: read(figures) }))
  return monitor.concat(command).join('')
}

function labelled(name: string, label: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}{${label}="${key}"}`, value]))
}

function family(name: string, help: string, samples: Readonly<Record<string, number>>): string {
  const type = name.endsWith('_total') ? 'counter' : 'gauge'
  const lines = Object.entries(samples).map(([sample, value]) => `${sample} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}
