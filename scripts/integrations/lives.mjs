// The processes of the machine during a load, as the witness has noted them.

const [FORK, EXEC, EXIT] = [1, 2, 3]
const EVENT_BYTES = 24

/** One process. Times are in nanoseconds on CLOCK_MONOTONIC, and null for what was not seen. */
class Life {
  /** Times of its execs. */
  execs = []
  exit = null
  /** Lines that tell of an exec, of the exit, and of an exit that the kernel has reported. */
  told = { execs: 0, exits: 0, reports: 0 }

  constructor(pid, parent, fork) {
    this.pid = pid
    this.parent = parent
    this.fork = fork
  }
}

export class Lives {
  /** By pid, oldest first: the kernel uses a pid again. */
  #byPid = new Map()
  /** The processes that the load has started. */
  own = []

  /** Takes the file of the witness, and the pid of the load. */
  constructor(bytes, load) {
    const events = []
    for (let at = 0; at < bytes.length; at += EVENT_BYTES) {
      const [kind, pid, parent] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset))
      events.push({ time: Number(bytes.readBigUInt64LE(at)), kind, pid, parent })
    }
    // The messages of two CPUs come in another order than they were made.
    events.sort((a, b) => a.time - b.time)
    for (const { time, kind, pid, parent } of events) {
      if (kind === FORK) this.#add(new Life(pid, parent, time))
      const life = this.#byPid.get(pid)?.at(-1) ?? this.#add(new Life(pid, null, null))
      if (kind === FORK && parent === load) this.own.push(life)
      if (kind === EXEC) life.execs.push(time)
      if (kind === EXIT) life.exit = time
    }
    // All of them have exited. So the witness has missed that message.
    for (const life of this.own) life.exit ??= life.fork
    this.begin = this.own[0]?.fork ?? 0
    this.end = this.own.reduce((last, { exit }) => Math.max(last, exit ?? 0), 0)
  }

  #add(life) {
    const lives = this.#byPid.get(life.pid)
    if (lives === undefined) this.#byPid.set(life.pid, [life])
    else lives.push(life)
    return life
  }

  /** Returns the process with the pid at a time, or undefined. */
  at(pid, time) {
    return this.#byPid.get(pid)?.findLast(({ fork }) => fork === null || fork <= time)
  }

  /** Returns all processes, with those that the load has not started, that have exited during the load. In the order of that. */
  get exited() {
    const during = [...this.#byPid.values()].flat().filter(({ exit }) => this.isDuring(exit))
    return during.sort((a, b) => a.exit - b.exit)
  }

  /** Returns the execs of all processes during the load: each time with its process. */
  get execs() {
    const all = [...this.#byPid.values()].flat()
    return all.flatMap((life) => life.execs.filter((time) => this.isDuring(time)).map((time) => ({ life, time })))
  }

  isDuring(time) {
    return time !== null && time >= this.begin && time <= this.end
  }
}
