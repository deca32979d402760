/** Encodes native records word by word, independently of the facade's code. */
const KINDS = ['fork', 'exec', 'exit', 'comm', 'uid', 'gid', 'sid', 'ptrace', 'coredump']
const FIELDS = ['name', 'ppid', 'exe', 'argv', 'cwd', 'uid', 'gid', 'cgroup', 'startTime', 'comm', 'loginUid']
const ORIGINS = ['kernel', 'bootstrap', 'resync', 'polling']
const CODES = [
  'ERR_PERMISSION',
  'ERR_PID_NAMESPACE',
  'ERR_USER_NAMESPACE',
  'ERR_NETWORK_NAMESPACE',
  'ERR_CONNECTOR_UNAVAILABLE',
  'ERR_PROC_UNREADABLE',
  'ERR_SOURCE_FAILED',
]
const [HAS_PROCESS, EXITED, SIGNALED, CORE_DUMPED, HAS_DURATION, ARGV_TRUNCATED, HAS_ANCESTRY_TAGS, SINCE_START] = [
  1, 2, 4, 8, 16, 32, 64, 128,
]
const HAS_USAGE = 256
/** The nanoseconds that a fake source adds to the records' times, to get the time of day. */
const TIME_OFFSET = 1_700_000_000_000_000_000n

const pair = (n) => [Number(BigInt(n) & 0xffffffffn), Number(BigInt(n) >> 32n)]

function bytes(text) {
  const raw = typeof text === 'string' ? Buffer.from(text) : text
  const padded = Buffer.alloc(Math.ceil(raw.length / 4) * 4)
  raw.copy(padded)
  const words = []
  for (let i = 0; i < padded.length; i += 4) words.push(padded.readUInt32LE(i))
  return [raw.length].concat(words)
}

function record(kind, { pid = 0, time = 0, origin = 'kernel', flags = 0, five = [], rest = [] } = {}) {
  const head = [(kind | (ORIGINS.indexOf(origin) << 8) | (flags << 16)) >>> 0, 0, pid, ...pair(time)]
  const words = [...head, ...five, 0, 0, 0, 0, 0].slice(0, 10).concat(rest)
  words[1] = words.length
  return words
}

/** Encodes captured details. A field that is null was requested, but could not be read. */
function captured(process) {
  let requested = 0
  let read = 0
  const values = []
  FIELDS.forEach((field, bit) => {
    const value = process[field]
    if (value === undefined) return
    requested |= 1 << bit
    if (value === null) return
    read |= 1 << bit
    if (field === 'startTime') values.push(...pair(value))
    else if (typeof value === 'number') values.push(value)
    else for (const word of bytes(field === 'argv' ? value.map((a) => a + '\0').join('') : value)) values.push(word)
  })
  return [requested, read].concat(values)
}

/** Encodes a cost: nine numbers, of which null ones are unknown. */
function cost(numbers) {
  const mask = numbers.reduce((known, number, place) => known | (number === null ? 0 : 1 << place), 0)
  return [mask].concat(...numbers.map((number) => pair(number ?? 0)))
}

/**
 * Encodes an event: `event('exec', 10, { process: { name: 'sh' } })`. `five` are the words of the event type, and
 * `ancestryTags` are the ids of the rules with an ancestor.
 */
function event(type, pid, { process, usage, flags = 0, truncated = false, ancestryTags = [], ...others } = {}) {
  const hasAncestryTags = ancestryTags.length > 0
  const all =
    flags |
    (process ? HAS_PROCESS : 0) |
    (truncated ? ARGV_TRUNCATED : 0) |
    (hasAncestryTags ? HAS_ANCESTRY_TAGS : 0) |
    (usage ? HAS_USAGE : 0)
  const rest = (process ? captured(process) : [])
    .concat(usage ? cost(usage) : [])
    .concat(hasAncestryTags ? [...ancestryTags, ancestryTags.length] : [])
  return record(KINDS.indexOf(type), { pid, ...others, flags: all, rest })
}

function exit(pid, { code, signal, core, ppid = 0, duration, sinceStart = false, ...others } = {}) {
  let flags = 0
  if (code !== undefined) flags |= EXITED
  if (signal !== undefined) flags |= SIGNALED
  if (core) flags |= CORE_DUMPED
  if (duration !== undefined) flags |= HAS_DURATION
  if (sinceStart) flags |= SINCE_START
  const five = [code ?? 0, signal ?? 0, ppid, ...pair(duration ?? 0)]
  return event('exit', pid, { ...others, flags, five })
}

/** Returns the records of a scan. Those of running processes carry the id of the scan. */
function found(id, ...records) {
  for (const words of records) if ((words[0] & 0xffff) === 0x101) words[5] = id
  return records
}

/** Encodes a failure. Its text is `syscall\0context`: the system call, or without an errno the context. */
const failure = (kind) => (code, errno, name) => {
  const text = errno === 0 ? `\0${name}` : `${name}\0`
  return record(kind, { five: [CODES.indexOf(code), errno], flags: name ? 1 : 0, rest: name ? bytes(text) : [] })
}

module.exports = {
  KINDS,
  FIELDS,
  TIME_OFFSET,
  pair,
  exec: (pid, options) => event('exec', pid, options),
  exit,
  event,
  comm: (pid, tid, name) => {
    const padded = Buffer.alloc(16)
    padded.set(Buffer.from(name).subarray(0, 16))
    return event('comm', pid, { five: [tid, ...bytes(padded).slice(1)] })
  },
  opened: (receiveBufferSize = 16777216, source = 0) => record(32, { five: [receiveBufferSize, source] }),
  found,
  scanned: (id) => record(33, { five: [id] }),
  loss: (cause, lost, execs, exits) => record(34, { five: [cause, lost, execs, exits] }),
  restart: failure(35),
  failed: failure(36),
  closed: () => record(37),
  fallenBack: failure(38),
  flushed: (id) => record(40, { five: [id] }),
  watched: (id, running) => record(39, { five: [id, running ? 1 : 0] }),
  /** The answer to a watch of a zombie. */
  zombie: (id, pid, { code, signal, time = 0 } = {}) =>
    record(39, {
      pid,
      time,
      flags: (code === undefined ? 0 : EXITED) | (signal === undefined ? 0 : SIGNALED),
      five: [id, 2, code ?? 0, signal ?? 0],
    }),
}
