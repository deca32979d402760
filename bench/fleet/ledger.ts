/** The account of a sink: for each host and stream, which lines came, which are missing, and which came twice. */

/** A line of `proc-events --json`, as far as the account needs it. */
export interface Line {
  readonly type: string
  readonly stream: string
  readonly seq: number
  readonly timestampNs: number
  readonly hostId?: string | null
  readonly bootId?: string | null
  readonly name?: string | null
  readonly exitCode?: number | null
  readonly signal?: string | null
  readonly durationNs?: number | null
  readonly lost?: number
}

/** A run of missing lines: from the first one up to, but without, the last number. */
export type Gap = readonly [from: number, to: number]

export interface StreamAccount {
  readonly stream: string
  readonly bootId: string | null
  readonly lines: number
  readonly gaps: readonly Gap[]
  readonly duplicates: number
  /** Events that the stream itself tells of as lost. */
  readonly told: number
  /** True: the last line, `end`, is missing. The agent was killed, or the end of the stream was lost. */
  readonly isCutOff: boolean
}

export interface HostAccount {
  readonly exits: number
  readonly failures: number
  /** Exits and their lifetime in nanoseconds, by program. */
  readonly programs: Readonly<Record<string, readonly [exits: number, durationNs: number]>>
  /** In the order in which they were written. */
  readonly streams: readonly StreamAccount[]
}

/** The numbers of one stream. Its memory is bounded by the number of gaps. */
export class Sequence {
  /** The number after the greatest one so far. */
  #next = 0
  #gaps: Gap[] = []
  duplicates = 0

  /** Returns false for a number that was there before. */
  add(seq: number): boolean {
    if (seq >= this.#next) {
      if (seq > this.#next) this.#gaps.push([this.#next, seq])
      this.#next = seq + 1
      return true
    }
    const index = this.#gaps.findIndex(([from, to]) => seq >= from && seq < to)
    const gap = this.#gaps[index]
    if (gap === undefined) {
      this.duplicates++
      return false
    }
    const halves: Gap[] = [
      [gap[0], seq],
      [seq + 1, gap[1]],
    ]
    this.#gaps.splice(index, 1, ...halves.filter(([from, to]) => from < to))
    return true
  }

  get gaps(): readonly Gap[] {
    return this.#gaps
  }
}

class Stream {
  readonly sequence = new Sequence()
  bootId: string | null = null
  startNs = 0
  lines = 0
  told = 0
  hasEnd = false
}

class Host {
  readonly streams = new Map<string, Stream>()
  readonly programs: Record<string, [number, number]> = {}
  exits = 0
  failures = 0
}

export class Ledger {
  readonly #hosts = new Map<string, Host>()

  /**
   * Takes a line. The transport names its host, because only the line `start` does so itself. Lines may come in any order.
   */
  add(hostId: string, line: Line): void {
    const host = entry(this.#hosts, hostId, () => new Host())
    const stream = entry(host.streams, line.stream, () => new Stream())
    if (!stream.sequence.add(line.seq)) return
    stream.lines++
    stream.startNs = stream.lines === 1 ? line.timestampNs : Math.min(stream.startNs, line.timestampNs)
    if (line.type === 'start') stream.bootId = line.bootId ?? null
    else if (line.type === 'end') stream.hasEnd = true
    else if (line.type === 'loss') stream.told += line.lost ?? 0
    else if (line.type === 'exit') addExit(host, line)
  }

  /** Returns the accounts of all hosts by their ids. */
  accounts(): Record<string, HostAccount> {
    return Object.fromEntries([...this.#hosts].map(([id, host]) => [id, accountOf(host)]))
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}

function addExit(host: Host, { name, exitCode, signal, durationNs }: Line): void {
  host.exits++
  if ((signal ?? null) !== null || (exitCode ?? 0) !== 0) host.failures++
  const sums = (host.programs[name ?? '?'] ??= [0, 0])
  sums[0]++
  sums[1] += durationNs ?? 0
}

function accountOf({ exits, failures, programs, streams }: Host): HostAccount {
  // The clock of a stream does not jump within a boot. The time of day may.
  const ordered = [...streams].toSorted(([, a], [, b]) => a.startNs - b.startNs)
  return {
    exits,
    failures,
    programs,
    streams: ordered.map(([stream, { sequence, bootId, lines, told, hasEnd }]) => ({
      stream,
      bootId,
      lines,
      gaps: sequence.gaps.toSorted(([a], [b]) => a - b),
      duplicates: sequence.duplicates,
      told,
      isCutOff: !hasEnd,
    })),
  }
}
