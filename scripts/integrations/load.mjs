// Real processes at a rate, and the account of what became of their events.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Program } from './programs.mjs'

/** Events a second at the full rate. */
export const FULL_RATE = 5000

/**
 * Starts a load of `rate` events a second, for a command that writes events of these types. At the full rate, three of four
 * processes exit without an exec. Two CPUs are not enough for 5,000 programs a second and the services beside them.
 */
export function startLoad(tools, seconds, rate, types = 'exit') {
  const { load, end, pids } = tools.load
  const isMixed = rate >= FULL_RATE
  const eventsPerProcess = types === 'exit' ? 1 : isMixed ? 1.25 : 2
  const perSecond = rate / eventsPerProcess
  const mode = isMixed ? 'subshells' : 'paced'
  const args = [mode, end, String(perSecond), String(perSecond * seconds), String(seconds * 10), pids]
  const program = new Program(load, args)
  const began = Date.now()
  const started = { pid: program.pid }
  started.done = once(program.child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`the load ended with ${code}: ${program.text}`)
    const { processes, seconds: took } = JSON.parse(program.text)
    const bytes = readFileSync(pids)
    started.pids = new Set(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4))
    return { processes, began, rate: Math.round((eventsPerProcess * processes) / took) }
  })
  started.done.catch(() => {})
  return started
}

/**
 * The account of a load at a sink. A line of the stream is given by its parent's pid, pid and time for exits, and by the number
 * of lost events for losses. An exit of the load is known by its parent, which is the load, whatever else runs on the machine. The
 * kernel does not name the parent of a process that was reaped at once. Then its pid tells.
 */
export class Account {
  #seen = new Set()
  /** Lines of all types and processes. */
  lines = 0
  #streams = new Map()
  exits = 0
  duplicates = 0
  /** The lost events that the stream tells of, by cause. */
  causes = {}
  #lastMs = Date.now()

  constructor(load) {
    this.load = load
  }

  /** Takes a line with the keys of `proc-events --json`. */
  add({ type, pid, ppid, timestampNs, cause, lost, stream, seq }) {
    this.lines++
    this.#lastMs = Date.now()
    if (seq !== undefined) this.#number(stream, seq)
    if (type === 'loss') this.causes[cause] = (this.causes[cause] ?? 0) + lost
    else if (type === 'exit' && this.#isOfLoad(pid, ppid ?? null)) {
      const key = `${pid} ${timestampNs}`
      if (this.#seen.has(key)) this.duplicates++
      else {
        this.#seen.add(key)
        this.exits++
      }
    }
  }

  #isOfLoad(pid, ppid) {
    return ppid === null ? this.load.pids.has(pid) : ppid === this.load.pid
  }

  #number(stream, seq) {
    let numbers = this.#streams.get(stream)
    if (numbers === undefined) this.#streams.set(stream, (numbers = { all: new Set(), last: -1 }))
    numbers.all.add(seq)
    numbers.last = Math.max(numbers.last, seq)
  }

  /** The lost events that the stream tells of. */
  get told() {
    return toldOf(this.causes)
  }

  /** Lines that were written and have not arrived, by their numbers. */
  get gaps() {
    let gaps = 0
    for (const { all, last } of this.#streams.values()) gaps += last + 1 - all.size
    return gaps
  }

  /** Returns true if nothing is missing, or if what is missing is told and nothing has come for some seconds. */
  isComplete(processes) {
    if (this.exits >= processes) return true
    return this.exits + this.told + this.gaps >= processes && Date.now() - this.#lastMs > 4000
  }

  /** Checks that each process of a load was delivered, or is told as lost, and makes a row of the table of results. */
  check(checks, title, { processes, began, rate }, { bytes, cpu = [], memory } = {}) {
    return checkRow(checks, {
      title,
      sent: processes,
      delivered: this.exits,
      causes: this.causes,
      gaps: this.gaps,
      duplicates: this.duplicates,
      rate,
      seconds: Math.round((this.#lastMs - began) / 1000),
      bytes: bytes === undefined ? undefined : Math.round(bytes),
      cpu: cpu.map(([name, seconds]) => [name, Math.round((seconds / this.lines) * 1e6)]),
      memory,
    })
  }
}

/** Checks one row of the table of results. */
export function checkRow(checks, figures) {
  const told = toldOf(figures.causes)
  const silent = Math.max(0, figures.sent - figures.delivered - told - figures.gaps)
  const row = { ...figures, told, silent }
  checks.row(row)
  return checks.check(row.title, silent === 0 && row.delivered <= row.sent, summaryOf(row))
}

const toldOf = (causes) => Object.values(causes).reduce((sum, lost) => sum + lost, 0)

/** Returns a row of the table of results as text. */
function summaryOf({ sent, delivered, told, causes, gaps, silent, duplicates, rate, seconds, bytes, cpu, memory }) {
  return [
    `${delivered} of ${sent} exits`,
    told === 0 ? '0 lost events told' : `lost events told: ${causesOf(causes)}`,
    `${gaps} numbers missing`,
    `${silent} lost silently`,
    `${duplicates} twice`,
    `${rate} events/s, ${seconds} s`,
    ...(bytes === undefined ? [] : [`${bytes} bytes a record`]),
    ...cpu.map(([name, micros]) => `${name} ${micros} µs an event`),
    ...(memory === undefined ? [] : [`agent at most ${memory} MB`]),
  ].join(', ')
}

export function causesOf(causes) {
  return Object.entries(causes)
    .map(([cause, lost]) => `${cause} ${lost}`)
    .join(', ')
}
