/** Compares the events of an observer with the processes of a load. */
import { quantile } from '../statistics.ts'

/** A process of a load. Times in nanoseconds on CLOCK_MONOTONIC. */
export interface Life {
  readonly pid: number
  /** The time of its exec; 0 if unknown. */
  readonly began: number
  readonly ended: number
  readonly code: number
}

/** An event of an observer. */
export interface Seen {
  readonly type: 'exec' | 'exit'
  readonly pid: number
  /** The time at which the observer's program had it. */
  readonly at: number
  /** The time at which the observer noticed it, if that is known. */
  readonly noticed?: number
  readonly argv?: readonly string[] | null
  readonly code?: number | null
}

/** Shares in per cent, and times in microseconds. NaN if unknown. */
export interface Score {
  readonly execs: number
  readonly argv: number
  readonly exits: number
  readonly codes: number
  readonly execP50: number
  readonly execNoticedP50: number
  readonly exitP50: number
  readonly exitNoticedP50: number
}

/** Reads records of four 64-bit numbers: pid, time of the exec, time of the reaping, wait status. */
export function parseLives(bytes: Uint8Array): Life[] {
  const words = new BigUint64Array(new Uint8Array(bytes).buffer)
  return Array.from({ length: words.length / 4 }, (_, index) => {
    const [pid = 0, began = 0, ended = 0, status = 0] = Array.from(words.subarray(4 * index, 4 * index + 4), Number)
    return { pid, began, ended, code: status >> 8 }
  })
}

/** The times of the observer and of the load differ by less, if they are of the same process. */
const NEAR_NS = 2_000_000_000

/** `program` is the last part of the name that the arguments must begin with. */
export function score(lives: readonly Life[], seen: readonly Seen[], program: string): Score {
  const byPid = Map.groupBy(seen, ({ pid }) => pid)
  let [execs, argv, exits, codes] = [0, 0, 0, 0]
  const late: Record<'exec' | 'execNoticed' | 'exit' | 'exitNoticed', number[]> = {
    exec: [],
    execNoticed: [],
    exit: [],
    exitNoticed: [],
  }
  for (const life of lives) {
    const own = (byPid.get(life.pid) ?? []).filter(({ at }) => Math.abs(at - life.ended) < NEAR_NS)
    const exec = own.findLast(({ type }) => type === 'exec')
    const exit = own.find(({ type }) => type === 'exit')
    if (exec !== undefined) {
      execs++
      if (exec.argv?.[0]?.split('/').at(-1) === program) argv++
      if (life.began > 0) {
        late.exec.push((exec.at - life.began) / 1000)
        late.execNoticed.push(((exec.noticed ?? Number.NaN) - life.began) / 1000)
      }
    }
    if (exit !== undefined) {
      exits++
      if (exit.code === life.code) codes++
      late.exit.push((exit.at - life.ended) / 1000)
      late.exitNoticed.push(((exit.noticed ?? Number.NaN) - life.ended) / 1000)
    }
  }
  const share = (count: number): number => (100 * count) / lives.length
  return {
    execs: share(execs),
    argv: share(argv),
    exits: share(exits),
    codes: share(codes),
    execP50: quantile(late.exec, 0.5),
    execNoticedP50: quantile(late.execNoticed, 0.5),
    exitP50: quantile(late.exit, 0.5),
    exitNoticedP50: quantile(late.exitNoticed, 0.5),
  }
}
