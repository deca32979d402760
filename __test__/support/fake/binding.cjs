/**
 * A fake binding without a kernel, in plain JavaScript. The loader loads it through NAPI_RS_NATIVE_LIBRARY_PATH. A test
 * requires it, too: it sets the automatic answers in `behaviour`, and pushes all other records.
 */
const records = require('./records.cjs')

/** All sources, in the order of their creation. */
const sources = []

const behaviour = {
  /** Returns the records that follow an open, or null if the test pushes them. */
  open: () => [records.opened()],
  /** Returns the records of a scan before its `scanned`, or null if the test pushes them. */
  scan: () => [],
  /** Returns true if the process to watch is running, or null if the test pushes the answer. */
  watchExit: (_source, _id, _pid) => true,
  /** Milliseconds from stop() to `closed`, or null if the test pushes `closed`. */
  closeAfter: 0,
  /** The maximum number of records of one drain. */
  drainAtMost: Infinity,
  /** Returns true if a flush is answered at once, or false if the test pushes the answer. */
  flush: (_source, _id) => true,
  /** Answers `signalProcess`. */
  signalProcess: (_pid, _startTime, _signal) => ({ sent: true }),
  /** Answers `deletedPids`. */
  deletedPids: (_pids, _procRoot) => ({ pids: [] }),
}

class Source {
  queue = []
  /** The names of all calls except drain(), which is only counted. */
  calls = []
  drains = 0
  /** The masks of types and of fields over all rules: at first, and after each change. */
  firstInterest
  interests = []
  /** The number of added and removed rules. */
  ruleCalls = 0
  #lastInterest
  #rules = new Map()
  #counts = { types: new Array(9).fill(0), fields: new Array(11).fill(0) }
  counters = new Array(16).fill(0)
  /** The lengths of all buffers that were set. */
  bufferLengths = []
  #words
  #onRecords
  #armed = true
  #stopped = false
  #closed = false

  constructor(options, words, onRecords) {
    this.options = options
    for (const rule of options.rules) this.#count(rule, 1)
    this.firstInterest = this.#lastInterest = this.#interest()
    this.bufferLengths.push(words.length)
    this.#words = words
    this.#onRecords = onRecords
    sources.push(this)
    const answer = behaviour.open(this)
    if (answer) this.push(...answer)
  }

  /** Queues records and calls back like the native side: in a later turn, and once until the queue is empty. */
  push(...words) {
    this.queue.push(...words)
    if (!this.#armed || this.queue.length === 0) return
    this.#armed = false
    setImmediate(() => this.#deliver())
  }

  /** Queues records and calls back at once. */
  pushNow(...words) {
    this.queue.push(...words)
    if (!this.#armed) return
    this.#armed = false
    this.#deliver()
  }

  /** Calls back with the queued records, unless earlier copied records are still to be handled. */
  #deliver() {
    if (this.#words[0] !== 0) return this.#onRecords(0, false)
    const end = this.#copy()
    this.#onRecords(end, this.#armed)
  }

  /** Returns true if all queued records have been handled. */
  get idle() {
    return (this.#armed && this.#words[0] === 0) || this.calls.includes('join')
  }

  fail(code, errno, what) {
    this.push(records.failed(code, errno, what), records.closed())
  }

  drain() {
    this.drains++
    if (this.calls.includes('join')) throw new Error('drained after join')
    return this.#copy()
  }

  setBuffer(words) {
    this.bufferLengths.push(words.length)
    this.#words = words
  }

  #copy() {
    const words = this.#words
    let end = 3
    for (let count = 0; this.queue.length > 0 && count < behaviour.drainAtMost; count++) {
      const next = this.queue[0]
      if (end + next.length > words.length) {
        if (end === 3) return -(end + next.length)
        break
      }
      words.set(next, end)
      end += next.length
      if ((next[0] & 0xff) === 37) this.#closed = true
      this.queue.shift()
    }
    this.#armed ||= this.queue.length === 0
    words.set(records.pair(records.TIME_OFFSET), 1)
    return (words[0] = end === 3 ? 0 : end)
  }

  addRule(rule) {
    this.#change(rule, 1)
  }

  removeRule(rule) {
    this.#change(rule, -1)
  }

  /** The current rules, each as often as it was added. */
  get rules() {
    return [...this.#rules].flatMap(([rule, count]) => new Array(count).fill(JSON.parse(rule)))
  }

  #change(rule, by) {
    this.ruleCalls++
    this.#count(rule, by)
    const before = this.#lastInterest
    const now = (this.#lastInterest = this.#interest())
    if (before[0] !== now[0] || before[1] !== now[1]) this.interests.push(now)
  }

  #count(rule, by) {
    const key = JSON.stringify(rule)
    const count = (this.#rules.get(key) ?? 0) + by
    if (count < 0) throw new Error(`no such rule was added: ${key}`)
    if (count === 0) this.#rules.delete(key)
    else this.#rules.set(key, count)
    for (const mask of ['types', 'fields']) {
      this.#counts[mask].forEach((_, bit, counts) => (counts[bit] += rule[mask] & (1 << bit) ? by : 0))
    }
  }

  #interest() {
    const mask = (counts) => counts.reduce((sum, count, bit) => sum + (count > 0 ? 1 << bit : 0), 0)
    return [mask(this.#counts.types), mask(this.#counts.fields)]
  }

  scan(id) {
    this.calls.push('scan')
    const answer = behaviour.scan(this, id)
    if (answer) this.push(...records.found(id, ...answer), records.scanned(id))
  }

  watchExit(id, pid, startTime) {
    this.calls.push(startTime === undefined ? `watchExit ${pid}` : `watchExit ${pid} of ${startTime}`)
    const answer = behaviour.watchExit(this, id, pid)
    if (answer !== null) this.push(records.watched(id, answer))
  }

  flush(id) {
    this.calls.push('flush')
    if (behaviour.flush(this, id)) this.push(records.flushed(id))
  }

  stats(out) {
    if (out.length < 16) throw new RangeError('out is too short')
    out.set(this.counters)
  }

  stop() {
    if (this.#stopped) return
    this.#stopped = true
    this.calls.push('stop')
    // The timer is unref'd like the threadsafe function, because only the facade may keep Node.js running.
    if (behaviour.closeAfter !== null) setTimeout(() => this.push(records.closed()), behaviour.closeAfter).unref()
  }

  join() {
    if (!this.#closed) throw new Error('joined before closed was drained')
    this.calls.push('join')
  }
}

module.exports = {
  Source,
  deletedPids: (pids, procRoot) => behaviour.deletedPids(pids, procRoot),
  signalProcess: (...args) => behaviour.signalProcess(...args),
  // Everything is available.
  probe: () => ({}),
  probeUsage: () => null,
  fake: {
    records,
    behaviour,
    sources,
    get source() {
      return sources[sources.length - 1]
    },
  },
}
