// Collectors with the shipped configurations, and the sink behind them.

import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:net'
import { root } from '../toolchain.mjs'
import { Program, freePort, pause, until } from './programs.mjs'

const QUIET = ['--config', join(import.meta.dirname, 'collector', 'quiet.yaml')]

/** Starts a collector with a configuration of examples/opentelemetry-collector, unchanged. */
export function startCollector(tools, name, env, { by = [], log } = {}) {
  const config = join(root, 'examples', 'opentelemetry-collector', name)
  const words = [...by, tools.collector, '--config', config, ...QUIET]
  return new Program(words[0], words.slice(1), {
    env: { ...process.env, ...env },
    output: log,
    errors: log,
    append: true,
  })
}

/** A collector that writes what it receives to a file, and may be away for some time. */
export class Sink {
  constructor(tools, folder) {
    this.tools = tools
    this.file = join(folder, 'sink.jsonl')
    this.log = join(folder, 'sink.log')
  }

  async start() {
    this.grpc ??= await freePort()
    this.http ??= await freePort()
    const env = { ...process.env, GRPC_PORT: String(this.grpc), HTTP_PORT: String(this.http), SINK_FILE: this.file }
    const config = join(import.meta.dirname, 'collector', 'sink.yaml')
    const files = { output: this.log, errors: this.log, append: true }
    this.program = new Program(this.tools.collector, ['--config', config, ...QUIET], { env, ...files })
    await until('the sink listens', () => listens(this.grpc))
  }

  /** The environment of a collector that sends to this sink. */
  get endpoint() {
    return { OTLP_ENDPOINT: `127.0.0.1:${this.grpc}`, OTLP_INSECURE: 'true' }
  }

  end() {
    return this.program.end()
  }

  /** Ends it, and starts it again after the seconds. */
  async away(seconds) {
    await this.end()
    await pause(seconds)
    await this.start()
  }

  #offset = 0
  #rest = ''

  /** Calls back with each new record, as a line of `proc-events --json`. */
  read(take) {
    if (!existsSync(this.file)) return
    const file = openSync(this.file, 'r')
    const buffer = Buffer.alloc(1 << 20)
    for (let length; (length = readSync(file, buffer, 0, buffer.length, this.#offset)) > 0;) {
      this.#offset += length
      // The sink writes ASCII and UTF-8. A character that is cut is in no number.
      const lines = (this.#rest + buffer.toString('latin1', 0, length)).split('\n')
      this.#rest = lines.pop()
      for (const line of lines) {
        for (const { scopeLogs } of JSON.parse(line).resourceLogs)
          for (const { logRecords } of scopeLogs) for (const record of logRecords) take(lineOf(record), record)
      }
    }
    closeSync(file)
  }

  /** Reads until nothing is missing, or for some time. */
  settle(account, seconds = 60, take = (line) => account.add(line)) {
    return this.#readUntil(() => account.isComplete, seconds, take)
  }

  /** Reads until the last line of each stream has come, and no number is missing, or for some time. */
  settleEnd(account, seconds = 30) {
    return this.#readUntil(
      () => account.isEnded,
      seconds,
      (line) => account.add(line),
    )
  }

  async #readUntil(isDone, seconds, take) {
    for (const deadline = Date.now() + seconds * 1000; ; await pause(0.5)) {
      this.read(take)
      if (isDone() || Date.now() > deadline) return
    }
  }
}

export function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function valueOf({ stringValue, intValue, doubleValue, boolValue, arrayValue }) {
  if (intValue !== undefined) return Number(intValue)
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf)
  return stringValue ?? doubleValue ?? boolValue ?? null
}

/** Nanoseconds between the zero of CLOCK_MONOTONIC and that of the time of day. */
const ZERO = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()

/** Returns a time of day on CLOCK_MONOTONIC, some milliseconds late, because the time of day is not more exact than that. */
function monotonic(timeUnixNano = 0) {
  return Number(BigInt(timeUnixNano) - ZERO + 5_000_000n)
}

/** Returns the keys of the line that the collector has made a record of, and its time. */
function lineOf({ attributes = [], timeUnixNano, eventName }) {
  const of = Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]))
  const name = of['event.name'] ?? eventName ?? ''
  return {
    type: name.replace('proc_events.', ''),
    pid: of['process.pid'],
    ppid: of['process.parent_pid'],
    argv: of['process.command_args'],
    origin: of['proc_events.origin'],
    // A record of the SDK has the time of day only.
    timestampNs: of.timestampNs ?? monotonic(timeUnixNano),
    time: new Date(Number(BigInt(timeUnixNano ?? 0) / 1_000_000n)).toISOString(),
    cause: of.cause,
    lost: of.lost,
    stream: of.stream,
    seq: of.seq,
  }
}
