// The account of a load at a sink: what became of each event.

/** A time of day, made a time on CLOCK_MONOTONIC, is late by some milliseconds. */
const LATE_NS = 50_000_000

/**
 * Compares lines with the processes of the machine during a load. A line belongs to the process that had its pid at its time, so
 * that neither another process with the same pid counts, nor one of another parent. Lost events of other processes count,
 * too: what is told as lost has to account for these as well, so that it hides nothing.
 */
export class Account {
  #lives
  #own
  #hasExecs
  #load
  #streams = new Map()
  #delivered = 0
  #again = 0
  /** Lines of all types and processes. */
  lines = 0
  /** The lost events that the stream tells of, by cause. */
  causes = {}
  #lastMs = Date.now()

  /** Takes what `done` of a load has resolved with. */
  constructor(load) {
    this.#load = load
    this.#lives = load.lives
    this.#own = new Set(load.lives.own)
    this.#hasExecs = load.types.includes('exec')
  }

  /** Takes a line with the keys of `proc-events --json`. */
  add({ type, pid, timestampNs, origin, cause, lost, stream, seq }) {
    this.lines++
    this.#lastMs = Date.now()
    if (seq !== undefined) this.#number(type, stream, seq)
    const time = Number(timestampNs)
    if (type === 'loss') {
      if (time >= this.#lives.begin) this.causes[cause] = (this.causes[cause] ?? 0) + lost
      return
    }
    if (type !== 'exit' && type !== 'exec') return
    const life = this.#lives.at(pid, time)
    if (life === undefined || (origin === 'kernel' && this.#isLate(life, time))) return
    if (type === 'exec' && this.#lives.isDuring(time) && origin === 'kernel') life.told.execs++
    if (type !== 'exit') return
    if (origin === 'kernel') life.told.reports++
    if (life.told.exits++ > 0) this.#again++
    else if (this.#own.has(life)) this.#delivered++
  }

  /** Returns true if the time is behind the exit of a process of the load: of a process that the witness has not seen any more. */
  #isLate(life, time) {
    return this.#own.has(life) && time > life.exit + LATE_NS
  }

  #number(type, stream, seq) {
    let numbers = this.#streams.get(stream)
    if (numbers === undefined) this.#streams.set(stream, (numbers = { all: new Set(), last: -1, again: 0, end: false }))
    // Each file of a stream begins with the line `start`.
    if (numbers.all.has(seq) && type !== 'start') numbers.again++
    numbers.all.add(seq)
    numbers.last = Math.max(numbers.last, seq)
    if (type === 'end') numbers.end = true
  }

  /** Lines that have come before, by their numbers. Without numbers: exits of a process that has exited. */
  get duplicates() {
    if (this.#streams.size === 0) return this.#again
    return [...this.#streams.values()].reduce((sum, { again }) => sum + again, 0)
  }

  /** The lost events that the stream tells of. */
  get told() {
    return sumOf(this.causes)
  }

  /** Lines that were written and have not arrived, by their numbers. */
  get gaps() {
    let gaps = 0
    for (const { all, last } of this.#streams.values()) gaps += last + 1 - all.size
    return gaps
  }

  /** Returns true if nothing is missing, or if what is missing is told and nothing has come for some seconds. */
  get isComplete() {
    const missing = this.#load.processes - this.#delivered
    if (missing === 0 && this.gaps === 0) return true
    return this.told + this.gaps >= missing && Date.now() - this.#lastMs > 4000
  }

  /** Returns true if each stream has its last line, and no number is missing. */
  get isEnded() {
    const streams = [...this.#streams.values()]
    return streams.length > 0 && streams.every(({ end }) => end) && this.gaps === 0
  }

  /** The lost events by what they were: exits of the load, exits of other processes, and execs. */
  get missing() {
    const missing = { exits: 0, others: 0, execs: 0 }
    const exited = this.#lives.exited
    for (const life of exited) if (life.told.reports === 0) missing[this.#own.has(life) ? 'exits' : 'others']++
    const execs = this.#hasExecs ? lostExecs(this.#lives) : execsAmongLost(exited, this.#lives.execs)
    // The command passes no execs on. So only the socket loses some.
    const { socket = 0 } = this.causes
    const others = this.told - socket
    const share = others === 0 ? 1 : socket / this.told
    return { ...missing, execs: this.#hasExecs ? execs : Math.round(Math.min(execs, socket) * share) }
  }

  /** Checks that each event was delivered, or is told as lost, and makes a row of the table of results. */
  check(checks, title, { bytes, cpu = [], memory } = {}) {
    const { processes, began, rate } = this.#load
    return checkRow(checks, {
      title,
      sent: processes,
      delivered: this.#delivered,
      missing: this.missing,
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

/** Returns how many execs no line tells of, for a command that writes execs. */
function lostExecs({ execs }) {
  const counts = new Map()
  for (const { life } of execs) counts.set(life, (counts.get(life) ?? 0) + 1)
  return [...counts].reduce((sum, [life, count]) => sum + Math.max(0, count - life.told.execs), 0)
}

/**
 * Returns how many execs were lost, for a command that does not write execs: those between two lost exits with no other one
 * between them. Execs at the edges of such a run do not count.
 */
function execsAmongLost(exited, execs) {
  const runs = []
  let run = null
  for (const { exit, told } of exited) {
    if (told.reports > 0) run = null
    else if (run === null) runs.push((run = { first: exit, last: exit }))
    else run.last = exit
  }
  const times = execs.map(({ time }) => time).sort((a, b) => a - b)
  let [lost, at] = [0, 0]
  for (const { first, last } of runs) {
    while (at < times.length && times[at] < first) at++
    for (; at < times.length && times[at] <= last; at++) lost++
  }
  return lost
}

/** Checks one row of the table of results. */
export function checkRow(checks, figures) {
  const { sent, delivered, missing, causes, gaps } = figures
  const told = sumOf(causes)
  const unexplained = sumOf(missing) - told - gaps
  const row = { ...figures, told, silent: Math.max(0, unexplained), excess: Math.max(0, -unexplained) }
  checks.row(row)
  return checks.check(row.title, row.silent === 0 && delivered <= sent, summaryOf(row))
}

const sumOf = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Returns a row of the table of results as text. */
function summaryOf({ sent, delivered, missing, told, causes, gaps, silent, excess, duplicates, ...row }) {
  const { rate, seconds, bytes, cpu, memory } = row
  return [
    `${delivered} of ${sent} exits`,
    told === 0 ? '0 lost events told' : `lost events told: ${countsOf(causes)}`,
    `lost: ${countsOf(missing)}`,
    `${gaps} numbers missing`,
    `${silent} lost silently`,
    `${excess} too many told`,
    `${duplicates} twice`,
    `${rate} events/s, ${seconds} s`,
    ...(bytes === undefined ? [] : [`${bytes} bytes a record`]),
    ...cpu.map(([name, micros]) => `${name} ${micros} µs an event`),
    ...(memory === undefined ? [] : [`agent at most ${memory} MB`]),
  ].join(', ')
}

/** Returns counts by name as text. */
export function countsOf(counts) {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
    .join(', ')
}
