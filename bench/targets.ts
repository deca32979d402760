/** This package's performance targets, compared with the results. */
import type { Summary } from './report.ts'

const ours = 'proc-events'
const floor = 'C, filter'

/** Returns one line for each target that was measured. */
export function targets(all: readonly Summary[]): string[] {
  const summaries = all.filter(({ warmUp }) => warmUp === 'long')
  const find = (scenario: string, peer: string): Summary | undefined =>
    summaries.find((row) => row.scenario === scenario && row.peer === peer)
  const lines: string[] = []
  const check = (what: string, value: number | undefined, limit: number, unit = ''): void => {
    if (value === undefined || Number.isNaN(value)) return
    const holds = value <= limit ? 'holds' : 'FAILS'
    lines.push(`${holds}  ${what}: ${value.toFixed(2)}${unit}, at most ${limit}${unit}`)
  }
  const ratio = (scenario: string, peer: string, of: (row: Summary) => number, observer = ours): number | undefined => {
    const [own, other] = [find(scenario, observer), find(scenario, peer)]
    return own && other && of(own) / of(other)
  }
  const cpuPerEvent = (row: Summary): number => row.cpuPerEvent.median
  for (const storm of ['storm-1', 'storm-2']) {
    check(`${storm}, CPU per event, of the C floor's`, ratio(storm, floor, cpuPerEvent), 1)
    check(`${storm}, CPU per event, of Go's`, ratio(storm, 'Go', cpuPerEvent), 0.25)
    check(
      `${storm}, slow-down of the load, of Go's`,
      ratio(storm, 'Go', (row) => row.slowDown),
      0.5,
    )
  }
  check("paced, CPU per event, of the C floor's", ratio('paced', floor, cpuPerEvent), 3)
  // The floor is woken for each event there.
  const patient = `${ours}, 50 ms`
  check("lives, maxLatency 50, CPU per event, of the C floor's", ratio('lives', floor, cpuPerEvent, patient), 0.8)
  check('lives, maxLatency 50, latency p99', find('lives', patient)?.p99.median, 60_000, ' µs')
  check("paced, CPU per event, of Go's", ratio('paced', 'Go', cpuPerEvent), 0.4)
  check('paced, latency p50', find('paced', ours)?.p50.median, 500, ' µs')
  check('paced, latency p99', find('paced', ours)?.p99.median, 5000, ' µs')
  check(
    "single, latency p50, of plain C's",
    ratio('single', 'C, plain', (row) => row.p50.median),
    2,
  )
  check(
    "threads, CPU, of the C floor's",
    ratio('threads', floor, (row) => row.cpu.median),
    3,
  )
  for (const { scenario, warmUp, complete } of all.filter(({ peer }) => peer === ours)) {
    const when = warmUp === 'short' ? ', in the first seconds' : ''
    check(`${scenario}${when}, events missed`, 100 - complete.least, 0, ' %')
  }
  return lines
}
