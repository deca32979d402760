// Real processes at a rate, and the account of what became of their events.

import { once } from 'node:events'
import { Program } from './programs.mjs'

/** Events a second. */
export const RATE = 5000

/**
 * Starts a load of `RATE` events a second, or a tenth of that. A process has an exec and an exit, or one event for a command that
 * writes exits alone.
 */
export function startLoad(tools, seconds, isQuick, eventsPerProcess = 2) {
  const { load, end, pids } = tools.load
  const rate = (isQuick ? RATE / 10 : RATE) / eventsPerProcess
  const args = ['paced', end, String(rate), String(rate * seconds), String(seconds * 10), pids]
  const program = new Program(load, args)
  const done = once(program.child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`the load ended with ${code}: ${program.text}`)
    const { processes, seconds: took } = JSON.parse(program.text)
    return { processes, rate: Math.round((eventsPerProcess * processes) / took) }
  })
  done.catch(() => {})
  return { pid: program.pid, done }
}

/**
 * The account of a load at a sink. A line of the stream is given by its parent's pid, pid and time for exits, and by the number
 * of lost events for losses. An exit of the load is known by its parent, which is the load, whatever else runs on the machine.
 */
export class Account {
  #seen = new Set()
  /** Lines of all types and processes. */
  lines = 0
  #streams = new Map()
  exits = 0
  duplicates = 0
  /** The lost events that the stream tells of. */
  told = 0
  /** When agents have started and ended, in milliseconds. */
  boundaries = []

  constructor(pid) {
    this.pid = pid
  }

  /** Takes a line with the keys of `proc-events --json`. */
  add({ type, pid, ppid, timestampNs, time, lost, stream, seq }) {
    this.lines++
    if (seq !== undefined) this.#number(stream, seq)
    if (type === 'loss') this.told += lost
    else if (type === 'start' || type === 'end') this.boundaries.push([type, Date.parse(time)])
    else if (type === 'exit' && ppid === this.pid) {
      const key = `${pid} ${timestampNs}`
      if (this.#seen.has(key)) this.duplicates++
      else {
        this.#seen.add(key)
        this.exits++
      }
    }
  }

  #number(stream, seq) {
    const numbers = this.#streams.get(stream) ?? new Set()
    this.#streams.set(stream, numbers.add(seq))
  }

  /** Lines that were written and have not arrived, by their numbers. */
  get gaps() {
    let gaps = 0
    for (const numbers of this.#streams.values())
      gaps += [...numbers].reduce((a, b) => Math.max(a, b), 0) + 1 - numbers.size
    return gaps
  }

  isComplete(processes) {
    return this.exits + this.told >= processes
  }

  /** Checks that each process of a load was delivered, or is told as lost. */
  check({ check }, title, { processes, rate }) {
    const missing = processes - this.exits
    const figures = [
      `${this.exits} of ${processes} exits`,
      `${this.told} lost events told`,
      `${this.gaps} numbers missing`,
      `${this.duplicates} duplicates`,
      `${rate} events/s`,
    ]
    return check(title, missing <= this.told + this.gaps && missing >= 0, figures.join(', '))
  }
}
