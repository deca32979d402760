/** The streams of many hosts, made from one recording, and the truth about each: what was written, and what the way to the sink did. */
import type { Gap, HostAccount, Line, StreamAccount } from './ledger.ts'

export interface FleetOptions {
  readonly hosts: number
  /** Lines of each host, in all its streams together. */
  readonly lines: number
  readonly seed: number
}

/** A host: its lines as they leave it, and the account that a perfect sink has of them. */
export interface FleetHost {
  readonly id: string
  /** In the order of their arrival, with duplicates and without the lines that are lost on the way. */
  readonly sent: readonly string[]
  readonly truth: HostAccount
  /** Lines that were lost on the way, behind the last line of a stream that arrived. No number tells of them. */
  readonly lostAtEnd: number
}

/** Returns numbers from 0 up to, but without, 1. The same seed gives the same ones (mulberry32). */
export function random(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Recorded = Readonly<Record<string, unknown>> & Line & { readonly pid: number }

/** Makes one host from the exits of a recording. */
export function makeHost(index: number, recorded: readonly string[], { lines, seed }: FleetOptions): FleetHost {
  const next = random(seed * 100_003 + index)
  const below = (limit: number): number => Math.floor(next() * limit)
  const id = `host-${String(index).padStart(5, '0')}`
  const exits = recorded.map((line) => JSON.parse(line) as Recorded).filter(({ type }) => type === 'exit')
  // The clock of a host may be wrong by minutes.
  const dayMs = Date.UTC(2026, 0, 2) + below(600_000) - 300_000
  const runs = 1 + below(3)
  const host = { exits: 0, failures: 0, programs: {} as Record<string, [number, number]> }
  const sent: string[] = []
  const streams: StreamAccount[] = []
  let lostAtEnd = 0
  let [boot, ns] = [0, 1e12 + below(1e9)]
  for (let run = 0; run < runs; run++) {
    // A restart of the agent, or of the host.
    if (run > 0 && next() < 0.4) boot++
    ns += 1e9
    const [stream, bootId] = [`${id}-${run}`, `boot-${index}-${boot}`]
    const isKilled = next() < 0.3
    const written = writeStream({
      stream,
      bootId,
      id,
      exits,
      count: Math.ceil(lines / runs),
      isKilled,
      ns,
      dayMs,
      next,
    })
    ns = written.at(-1)!.timestampNs
    const transport = carry(written, below)
    for (const line of transport.kept) if (line.type === 'exit') addTruth(host, line)
    sent.push(...transport.sent.map((line) => JSON.stringify(line)))
    lostAtEnd += transport.lostAtEnd
    streams.push({
      stream,
      bootId,
      lines: transport.kept.length,
      gaps: transport.gaps,
      duplicates: transport.sent.length - transport.kept.length,
      told: transport.kept.reduce((sum, { lost }) => sum + (lost ?? 0), 0),
      isCutOff: transport.kept.at(-1)!.type !== 'end',
    })
  }
  return { id, sent, truth: { ...host, streams }, lostAtEnd }
}

interface StreamPlan {
  readonly stream: string
  readonly bootId: string
  readonly id: string
  readonly exits: readonly Recorded[]
  readonly count: number
  readonly isKilled: boolean
  readonly ns: number
  readonly dayMs: number
  readonly next: () => number
}

/** Writes the lines of one run of the agent. */
function writeStream({ stream, bootId, id, exits, count, isKilled, ns, dayMs, next }: StreamPlan): Line[] {
  const written: Line[] = []
  const write = (line: object): void => {
    ns += 1 + Math.floor(next() * 4e5)
    const time = new Date(dayMs + ns / 1e6).toISOString()
    written.push({ ...line, time, timestampNs: ns, stream, seq: written.length } as never)
  }
  write({ type: 'start', version: '0.1.0', host: id, hostId: id, bootId, clock: 'CLOCK_MONOTONIC', source: 'netlink' })
  while (written.length < count) {
    const exit = exits[Math.floor(next() * exits.length)]!
    // Its own agent tells of a loss, which the sink has to pass on.
    if (next() < 0.001) write({ type: 'loss', cause: 'output', lost: 1 + Math.floor(next() * 500) })
    else write({ ...exit, pid: 300 + Math.floor(next() * 32_000) })
  }
  if (!isKilled) write({ type: 'end', lost: 0 })
  return written
}

/** Carries the lines of a stream to the sink: some are lost, some come twice. The first line of a stream arrives. */
function carry(written: readonly Line[], below: (limit: number) => number) {
  const lost = new Set<number>()
  for (let gap = below(3); gap > 0; gap--) {
    const from = 1 + below(written.length - 1)
    for (let seq = from; seq < Math.min(from + 1 + below(50), written.length); seq++) lost.add(seq)
  }
  const kept = written.filter(({ seq }) => !lost.has(seq))
  const sent = [...kept]
  // A batch whose acknowledgement was lost is sent again, later.
  for (let batch = below(3); batch > 0; batch--) {
    const from = below(kept.length)
    const again = kept.slice(from, from + 1 + below(100))
    sent.splice(from + again.length + below(kept.length - from), 0, ...again)
  }
  const last = kept.at(-1)!.seq
  const gaps: Gap[] = []
  for (const seq of [...lost].toSorted((a, b) => a - b)) {
    if (seq > last) break
    const open = gaps.at(-1)
    if (open?.[1] === seq) gaps[gaps.length - 1] = [open[0], seq + 1]
    else gaps.push([seq, seq + 1])
  }
  return { kept, sent, gaps, lostAtEnd: written.length - 1 - last }
}

function addTruth(
  host: { exits: number; failures: number; programs: Record<string, [number, number]> },
  { name, exitCode, signal, durationNs }: Line,
): void {
  host.exits++
  if (typeof signal === 'string' || (typeof exitCode === 'number' && exitCode > 0)) host.failures++
  const [exits, sum] = host.programs[name ?? '?'] ?? [0, 0]
  host.programs[name ?? '?'] = [exits + 1, sum + (durationNs ?? 0)]
}
