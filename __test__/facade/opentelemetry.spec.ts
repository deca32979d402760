/** The OpenTelemetry attributes of an event. */
import { uptime } from 'node:os'
import test from 'ava'
import { type ExecEvent, type ExitEvent, toOpenTelemetry } from '../../dist/index.js'

const exec: ExecEvent = {
  type: 'exec',
  timestampNs: 5,
  timeMs: 1_700_000_000_123.456,
  pid: 10,
  origin: 'kernel',
  process: {
    name: 'node',
    ppid: 1,
    exe: '/usr/bin/node',
    argv: ['node', '--token', 'secret'],
    cwd: '/srv',
    uid: 1000,
    gid: 1000,
    cgroup: '/system.slice/x.scope',
    containerId: 'abc',
  },
}
const exit: ExitEvent = {
  ...exec,
  type: 'exit',
  exitCode: 3,
  signal: null,
  coreDumped: false,
  ppid: 2,
  durationNs: 5,
  durationSince: 'exec',
}

test('captured details have the names of the semantic conventions, and arguments are opt-in', (t) => {
  const attributes = {
    'process.pid': 10,
    'process.parent_pid': 1,
    'process.executable.path': '/usr/bin/node',
    'process.executable.name': 'node',
    'process.command': 'node',
    'process.args_count': 3,
    'process.working_directory': '/srv',
    'process.real_user.id': 1000,
    'process.linux.cgroup': '/system.slice/x.scope',
    'container.id': 'abc',
    'proc_events.origin': 'kernel',
  }
  const event = exec
  t.deepEqual<object, object>(toOpenTelemetry(event).attributes, attributes)
  t.false(JSON.stringify(toOpenTelemetry(event)).includes('secret'))
  t.deepEqual<object, object>(toOpenTelemetry(event, { arguments: true }).attributes, {
    ...attributes,
    'process.command_args': ['node', '--token', 'secret'],
  })
})

test('unknown details are absent', (t) => {
  const event = exec
  t.deepEqual<object, object>(toOpenTelemetry({ ...event, process: {} }).attributes, {
    'process.pid': 10,
    'proc_events.origin': 'kernel',
  })
  const unread = { name: 'sh', ppid: null, exe: null, argv: null, cwd: null, uid: null, cgroup: null, startTime: null }
  t.deepEqual<object, object>(toOpenTelemetry({ ...event, process: unread }).attributes, {
    'process.pid': 10,
    'process.executable.name': 'sh',
    'proc_events.origin': 'kernel',
  })
  const cut = { argv: ['x'], argvTruncated: true as const, uid: 0 }
  t.deepEqual<object, object>(toOpenTelemetry({ ...event, process: cut }).attributes, {
    'process.pid': 10,
    'process.command': 'x',
    'process.real_user.id': 0,
    'proc_events.origin': 'kernel',
  })
  t.deepEqual<object, object>(toOpenTelemetry({ ...event, process: { argv: [] } }, { arguments: true }).attributes, {
    'process.pid': 10,
    'process.command_args': [],
    'process.args_count': 0,
    'proc_events.origin': 'kernel',
  })
})

test('an exit has its time, its exit code or signal, and its own parent', (t) => {
  const { eventName, timestamp, attributes } = toOpenTelemetry(exit)
  t.is(eventName, 'proc_events.exit')
  t.is(timestamp, exit.timeMs)
  t.like(attributes, { 'process.parent_pid': 2, 'process.exit.code': 3 })
  t.is(attributes['process.exit.time'], new Date(timestamp).toISOString())
  t.false('process.exit.signal' in attributes)
  const killed = toOpenTelemetry({ ...exit, exitCode: null, signal: 'SIGKILL' }).attributes
  t.is(killed['process.exit.signal'], 'SIGKILL')
  t.false('process.exit.code' in killed)
})

test('an exit has its duration, every event has its origin, and unknown ones are absent', (t) => {
  const attributesOf = (event: ExecEvent | ExitEvent): object => toOpenTelemetry(event).attributes
  t.like(attributesOf({ ...exit, origin: 'resync' }), {
    'proc_events.origin': 'resync',
    'proc_events.duration_ns': 5,
    'proc_events.duration_since': 'exec',
  })
  const unknown = attributesOf({ ...exit, durationNs: null, durationSince: null })
  t.false('proc_events.duration_ns' in unknown || 'proc_events.duration_since' in unknown)
  t.false('proc_events.duration_ns' in attributesOf(exec))
})

test('a failure is a warning, and every other event is information', (t) => {
  const severities = (event: ExecEvent | ExitEvent): unknown[] => {
    const { severityNumber, severityText } = toOpenTelemetry(event)
    return [severityNumber, severityText]
  }
  t.deepEqual(severities(exit), [13, 'WARN'])
  t.deepEqual(severities({ ...exit, exitCode: null, signal: 'SIGTERM' }), [13, 'WARN'])
  for (const calm of [exec, { ...exit, exitCode: 0 }, { ...exit, exitCode: null }])
    t.deepEqual(severities(calm), [9, 'INFO'])
})

test('the creation time is present and never later than the event', (t) => {
  const ticks = (seconds: number): number => Math.round((uptime() - seconds) * 100)
  const reported = (startTime: number): string | undefined =>
    toOpenTelemetry({ ...exec, timeMs: Date.now(), process: { startTime } }).attributes['process.creation.time']
  const created = Date.parse(reported(ticks(10))!)
  t.true(Math.abs(Date.now() - 10_000 - created) < 100, String(created))
  t.is(reported(ticks(-10)), undefined)
})

test('an object that is no event throws, and the error names what is wrong', (t) => {
  const { process: _process, ...withoutProcess } = exec
  const { timeMs: _timeMs, ...withoutTime } = exec
  const cases: [unknown, string, string][] = [
    [{ type: 'exec' }, 'ERR_INVALID_ARG_TYPE', 'The "event.pid" property must be a finite number. Received undefined'],
    [{}, 'ERR_INVALID_ARG_TYPE', 'The "event.type" property must be of type string. Received undefined'],
    [[exec], 'ERR_INVALID_ARG_TYPE', 'The "event.type" property must be of type string. Received undefined'],
    [withoutProcess, 'ERR_INVALID_ARG_TYPE', 'The "event.process" property must be of type object. Received undefined'],
    [withoutTime, 'ERR_INVALID_ARG_TYPE', 'The "event.timeMs" property must be a finite number. Received undefined'],
    [
      { ...exit, timeMs: NaN },
      'ERR_INVALID_ARG_TYPE',
      'The "event.timeMs" property must be a finite number. Received type number (NaN)',
    ],
    ['exec', 'ERR_INVALID_ARG_TYPE', 'The "event" argument must be of type object. Received type string (\'exec\')'],
  ]
  for (const [event, code, message] of cases) {
    t.throws(() => toOpenTelemetry(event as never), { instanceOf: TypeError, code, message })
  }
  const wrong = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE', message: /Did you mean 'exec'\?$/ }
  t.throws(() => toOpenTelemetry({ ...exec, type: 'exce' } as never), wrong)
  // An event that a file or a worker has passed on is an event.
  t.deepEqual(toOpenTelemetry(JSON.parse(JSON.stringify(exit))), toOpenTelemetry(exit))
})

test('every event type has an event name, and arguments are passed unchanged', (t) => {
  const fork = { ...exec, type: 'fork', pid: 11, process: {}, ppid: 10 } as const
  const { eventName, attributes } = toOpenTelemetry(fork)
  t.is(eventName, 'proc_events.fork')
  t.deepEqual<object, object>(attributes, {
    'process.pid': 11,
    'process.parent_pid': 10,
    'proc_events.origin': 'kernel',
  })
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  t.throws(() => toOpenTelemetry(null as never), type)
  t.throws(() => toOpenTelemetry(fork, null as never), type)
  t.throws(() => toOpenTelemetry(fork, { arguments: 1 } as never), type)
})
