// Real processes at a rate, and the account of what became of their events.

import { once } from 'node:events'
import { Program } from './programs.mjs'

/** 5,000 events a second: an exec and an exit of each process. */
export const RATE = 5000

/** Starts a load. `seconds` of it have `RATE` events each; with `isQuick` a tenth of that. */
export function startLoad(tools, seconds, isQuick) {
  const { load, end, pids } = tools.load
  const rate = (isQuick ? RATE / 10 : RATE) / 2
  const args = ['paced', end, String(rate), String(rate * seconds), String(seconds * 10), pids]
  const program = new Program(load, args)
  const done = once(program.child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`the load ended with ${code}: ${program.text}`)
    return { pid: program.pid, ...JSON.parse(program.text) }
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
  add({ type, pid, ppid, timestampNs, time, lost }) {
    this.lines++
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

  isComplete(processes) {
    return this.exits + this.told >= processes
  }

  /** Checks that each process of a load was delivered, or is told as lost. */
  check({ check }, title, { processes, seconds }) {
    const missing = processes - this.exits
    const rate = Math.round((2 * processes) / seconds)
    const figures = [
      `${this.exits} of ${processes} exits`,
      `${this.told} lost events told`,
      `${this.duplicates} duplicates`,
      `${rate} events/s`,
    ]
    return check(title, missing <= this.told && missing >= 0, figures.join(', '))
  }
}
