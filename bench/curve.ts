/** A plot of the CPU time per event against the latency, one point for each observer and value of `maxLatency`. */
import { figure, type Summary } from './report.ts'

const width = 760
const height = 480
/** The margins of the axes. */
const area = { left: 60, right: width - 150, top: 50, bottom: height - 60 } as const

/** The load whose figures are drawn. */
const scenario = 'paced'

interface Point {
  readonly name: string
  /** Latency, in µs. */
  readonly p50: number
  readonly p99: number
  /** CPU time per event, in µs. */
  readonly cpu: number
}

/** A logarithmic axis. */
interface Axis {
  readonly place: (value: number) => number
  /** The powers of ten. */
  readonly ticks: readonly number[]
}

function axis(values: readonly number[], from: number, to: number): Axis {
  const least = Math.floor(Math.log10(Math.min(...values)))
  const most = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))))
  const place = (value: number): number => from + ((Math.log10(value) - least) / (most - least)) * (to - from)
  return { place, ticks: Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i)) }
}

/** Returns the `maxLatency` of an observer of this package. Undefined for the others. */
function latencyOf(name: string): number | undefined {
  const found = /^proc-events(?:, (\d+) ms)?$/.exec(name)
  return found === null ? undefined : Number(found[1] ?? 0)
}

function time(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${microseconds / 1_000_000} s`
  return microseconds >= 1000 ? `${microseconds / 1000} ms` : `${microseconds} µs`
}

interface Label {
  readonly x: number
  readonly y: number
}

/** Moves a label down until it covers no other one. */
function freePlace(others: readonly Label[], { x, y }: Label): Label {
  const [labelWidth, labelHeight] = [150, 13]
  const covered = others.find((other) => Math.abs(other.x - x) < labelWidth && Math.abs(other.y - y) < labelHeight)
  return covered === undefined ? { x, y } : freePlace(others, { x, y: covered.y + labelHeight })
}

/** Returns the points of the observers that saw events and recorded their latency. */
export function points(summaries: readonly Summary[]): Point[] {
  return summaries
    .filter((row) => row.scenario === scenario && row.warmUp === 'long')
    .map(({ peer, p50, p99, cpuPerEvent }) => ({
      name: peer,
      p50: p50.median,
      p99: p99.median,
      cpu: cpuPerEvent.median,
    }))
    .filter(({ p50, p99, cpu }) => p50 > 0 && p99 > 0 && cpu > 0)
}

export function curve(summaries: readonly Summary[]): string {
  const all = points(summaries)
  const own = all
    .filter(({ name }) => latencyOf(name) !== undefined)
    .toSorted((a, b) => (latencyOf(a.name) ?? 0) - (latencyOf(b.name) ?? 0))
  const parts: string[] = []
  const text = (x: number, y: number, content: string, attributes = ''): void => {
    parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`)
  }
  text(8, 20, 'CPU time per event against latency, at 1,000 processes a second', 'font-weight="bold"')
  text(8, 36, 'Dot: latency of the median event. Line to the right: up to the 99th percentile.', 'fill="#555"')
  if (all.length > 0) {
    const x = axis(
      all.flatMap(({ p50, p99 }) => [p50, p99]),
      area.left,
      area.right,
    )
    const y = axis(
      all.map(({ cpu }) => cpu),
      area.bottom,
      area.top,
    )
    for (const tick of x.ticks) {
      const at = x.place(tick).toFixed(1)
      parts.push(`<path d="M${at} ${area.top}V${area.bottom}" stroke="#ddd"/>`)
      text(x.place(tick), area.bottom + 18, time(tick), 'text-anchor="middle"')
    }
    for (const tick of y.ticks) {
      const at = y.place(tick).toFixed(1)
      parts.push(`<path d="M${area.left} ${at}H${area.right}" stroke="#ddd"/>`)
      text(area.left - 6, y.place(tick) + 4, time(tick), 'text-anchor="end"')
    }
    text(area.left, area.bottom + 38, 'latency from the kernel to the callback (logarithmic)')
    const line = own.map(({ p50, cpu }) => `${x.place(p50).toFixed(1)} ${y.place(cpu).toFixed(1)}`).join('L')
    if (own.length > 1) parts.push(`<path d="M${line}" fill="none" stroke="#2a7" stroke-width="2"/>`)
    const labels: Label[] = []
    for (const { name, p50, p99, cpu } of all.toSorted((a, b) => b.cpu - a.cpu)) {
      const latency = latencyOf(name)
      const color = latency === undefined ? '#579' : '#2a7'
      const [cx, cy, to] = [x.place(p50), y.place(cpu), x.place(p99)]
      parts.push(
        `<path d="M${cx.toFixed(1)} ${cy.toFixed(1)}H${to.toFixed(1)}" stroke="${color}" stroke-opacity="0.6"/>`,
        `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="4" fill="${color}"/>`,
      )
      const label = latency === undefined || latency === 0 ? name : `${latency} ms`
      const place = freePlace(labels, { x: to + 6, y: cy + 4 })
      labels.push(place)
      text(place.x, place.y, `${label}, ${figure(cpu)} µs`, `fill="${color}"`)
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`
}
