/** A plot of the CPU time per event of every observer. */
import { figure, type Summary } from './report.ts'
import { scenarios } from './scenarios.ts'

const width = 760
const bar = 16
const left = 140

/** The logarithmic scale, because observers differ by orders of magnitude. It begins at 1 µs. */
function length(value: number): number {
  return Math.max(2, (Math.log10(value + 1) / 3) * (width - left - 110))
}

/** Returns one group of bars for each load. The line over a bar spans from the minimum to the maximum. */
export function plot(summaries: readonly Summary[]): string {
  let y = 24
  const parts: string[] = []
  const text = (x: number, content: string, attributes = ''): void => {
    parts.push(`<text x="${x}" y="${y}" ${attributes}>${content}</text>`)
  }
  text(8, 'CPU time per event, in µs (logarithmic); circle: in the first seconds', 'font-weight="bold"')
  for (const { name, title } of scenarios) {
    const all = summaries.filter((row) => row.scenario === name && row.cpuPerEvent.median > 0)
    const rows = all.filter(({ warmUp }) => warmUp === 'long')
    if (rows.length === 0) continue
    y += 30
    text(8, title)
    for (const { peer, complete, cpuPerEvent } of rows) {
      y += bar + 4
      const { median, least, most } = cpuPerEvent
      const color = peer.startsWith('proc-events') ? '#2a7' : '#9ab'
      parts.push(
        `<rect x="${left}" y="${y - 12}" width="${length(median).toFixed(1)}" height="${bar}" fill="${color}"/>`,
        `<path d="M${(left + length(least)).toFixed(1)} ${y - 4}H${(left + length(most)).toFixed(1)}" stroke="#333"/>`,
      )
      text(left - 6, peer, 'text-anchor="end"')
      const first = all.find((row) => row.peer === peer && row.warmUp === 'short')?.cpuPerEvent.median ?? 0
      if (first > 0)
        parts.push(`<circle cx="${(left + length(first)).toFixed(1)}" cy="${y - 4}" r="4" fill="none" stroke="#333"/>`)
      const seen = complete.median >= 99.95 ? '' : `, ${complete.median.toFixed(1)} % seen`
      text(left + length(Math.max(median, most, first)) + 8, `${figure(median)}${seen}`)
    }
  }
  const style = 'font-family="system-ui, sans-serif" font-size="12"'
  const height = y + 16
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${style}>
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}
