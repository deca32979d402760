/** The options objects of all calls: unknown keys, wrong words, undefined values, and ignored options of `initialize`. */
import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import type { MonitorOptions } from '../../dist/index.js'
import type * as Nearest from '../../dist/src/api/nearest.js'
import { collectMonitorMetrics } from '../../dist/prometheus.js'
import { child, initialized, loadFacade, noop, settled } from '../support/fake/facade.ts'

const require = createRequire(import.meta.url)
const { nearest } = require('../../dist/src/api/nearest.js') as typeof Nearest

const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }

/** An event of the least that an event has. */
const event = { type: 'sid', pid: 1, timestampNs: 0, timeMs: 0, origin: 'kernel', process: {} } as const

/** Every call with an options object, and one of its options misspelt. */
const CALLS: [string, (facade: ReturnType<typeof loadFacade>, options: any) => unknown, string, string][] = [
  ['initialize', ({ monitor }, options) => monitor.initialize(options), 'recieveBufferSize', 'receiveBufferSize'],
  ['subscribe', ({ monitor }, options) => monitor.subscribe('fork', noop, options), 'commandline', 'commandLine'],
  ['subscribeExec', ({ monitor }, options) => monitor.subscribeExec(noop, options), 'cmdline', 'commandLine'],
  ['subscribeExit', ({ monitor }, options) => monitor.subscribeExit(noop, options), 'ancestors', 'ancestor'],
  ['events', ({ monitor }, options) => monitor.events(options), 'type', 'types'],
  ['waitForExit', ({ monitor }, options) => monitor.waitForExit(1, options), 'singal', 'signal'],
  ['findDeletedProcesses', ({ api }, options) => api.findDeletedProcesses(new Map(), options), 'procroot', 'procRoot'],
  ['probe', ({ api }, options) => api.probe(options), 'proc_root', 'procRoot'],
  ['toOpenTelemetry', ({ api }, options) => api.toOpenTelemetry(event, options), 'argument', 'arguments'],
  [
    'collectMonitorMetrics',
    (_, options) => collectMonitorMetrics({ stats: () => null as never }, options),
    'registry',
    'register',
  ],
]

for (const [name, call, misspelt, meant] of CALLS) {
  test.serial(`${name} throws on an unknown option, and names the nearest one`, async (t) => {
    const facade = loadFacade(t)
    const message = `The property 'options.${misspelt}' is unknown. Did you mean '${meant}'?`
    // An inherited option counts as well, because inherited options have an effect.
    for (const options of [{ [misspelt]: /x/ }, { [misspelt]: undefined }, Object.create({ [misspelt]: 1 })]) {
      await t.throwsAsync(async () => call(facade, options), { ...value, message })
    }
    const unlike = { unlikeAnything: 1 }
    const known = /^The property 'options\.unlikeAnything' is unknown\. The known options are: .*'$/
    const error = await t.throwsAsync(async () => call(facade, unlike), { ...value, message: known })
    t.true(error.message.includes(`'${meant}'`))
  })
}

test('nothing is subscribed by a call with an unknown option', async (t) => {
  const { monitor, fake } = await initialized(t)
  t.throws(() => monitor.subscribeExec(noop, { commandline: /x/ } as never), value)
  t.throws(() => monitor.events({ commandline: /x/ } as never), value)
  t.is(fake.source.ruleCalls, 0)
  monitor.subscribeExec(noop)
})

/** Objects without options. In place of options, each would select every process. */
const BUILT_IN = [/node/, new Map([['name', 'node']]), new Set(['name']), ['name'], [], new Date(), Buffer.from('node')]

for (const [name, call, , meant] of CALLS) {
  test.serial(`${name} throws for a built-in object in place of options, and names the options`, async (t) => {
    const facade = loadFacade(t)
    const names = `^The "options" argument must be an object with any of the keys .*'${meant}'`
    for (const options of [...BUILT_IN, Promise.resolve(), new Error('x'), 'node', 7, null, () => {}]) {
      const error = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: new RegExp(names) }
      await t.throwsAsync(async () => call(facade, options), error, String(options))
    }
    t.is(facade.fake.sources.length, 0)
  })
}

test('an object without a prototype, of a class or of another realm has options', async (t) => {
  const { monitor, fake } = await initialized(t)
  class Options {
    name = 'sh'
  }
  const bare = Object.assign(Object.create(null), { name: 'sh' })
  for (const options of [bare, new Options(), new Proxy({ name: 'sh' }, {}), runInNewContext('({ name: "sh" })')]) {
    monitor.subscribeExec(() => {}, options)
  }
  t.deepEqual(
    fake.source.rules.map(({ name }: { name?: string }) => name),
    ['sh', 'sh', 'sh', 'sh'],
  )
  t.notThrows(() => monitor.subscribeExit(noop, Object.create(null)))
})

test('a sparse array of words throws', async (t) => {
  const { monitor, fake } = await initialized(t)
  const sparse: string[] = []
  sparse[1] = 'name'
  const capture = { ...value, message: /^The property 'options\.capture\[0\]' is missing\. Received \[ <1 empty item>/ }
  t.throws(() => monitor.subscribeExec(noop, { capture: sparse as never }), capture)
  t.throws(() => monitor.events({ capture: sparse as never }), capture)
  const types: string[] = ['exec']
  types.length = 2
  t.throws(() => monitor.events({ types: types as never }), {
    ...value,
    message: /^The property 'options\.types\[1\]' is /,
  })
  t.is(fake.source.ruleCalls, 0)
})

test('a key on the prototype of every object is no option', (t) => {
  const { monitor } = loadFacade(t)
  Object.assign(Object.prototype, { inheritedByAll: 1 })
  t.teardown(() => Reflect.deleteProperty(Object.prototype, 'inheritedByAll'))
  t.notThrows(() => monitor.subscribeExec(noop, {}))
  t.throws(() => monitor.subscribeExit(noop, { inheritedbyall: 1 } as never), value)
})

test('methods of a class are no options', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const wait = monitor.waitForExit(7, new AbortController())
  await settled(fake)
  fake.source.push(r.exit(7, { code: 3 }))
  t.is((await wait).exitCode, 3)
})

test('inherited options have an effect', async (t) => {
  const { monitor, fake } = await initialized(t)
  const options = Object.create({ name: 'sh' })
  monitor.subscribeExec(noop, options)
  void monitor.events(options)
  t.deepEqual(
    fake.source.rules.map(({ name }: { name?: string }) => name),
    ['sh', 'sh', 'sh'],
  )
})

test('every option may be undefined', async (t) => {
  const undefinedOnly = (...names: string[]): object => Object.fromEntries(names.map((name) => [name, undefined]))
  const filter = ['name', 'exe', 'cwd', 'commandLine', 'uid', 'cgroup', 'ancestor']
  const subscribe = undefinedOnly(...filter, 'capture', 'replay', 'signal')
  const { api, monitor, fake } = loadFacade(t)
  const sizes = ['pollingInterval', 'receiveBufferSize', 'queueSize', 'maxArgvBytes']
  await monitor.initialize(undefinedOnly('source', ...sizes, 'procRoot', 'priority', 'redact'))
  monitor.subscribeExec(noop, subscribe)
  void monitor.events({ ...subscribe, ...undefinedOnly('types', 'queueSize') })
  t.deepEqual(fake.source.rules, [
    { types: 0b10, fields: 0 },
    { types: 0b10, fields: 0 },
    { types: 0b100, fields: 0 },
  ])
  fake.behaviour.watchExit = () => false
  await t.throwsAsync(monitor.waitForExit(1, undefinedOnly('signal')), { code: 'ERR_NO_SUCH_PROCESS' })
  t.deepEqual(api.findDeletedProcesses(new Map(), undefinedOnly('procRoot')), new Set())
  t.notThrows(() => api.toOpenTelemetry(event, undefinedOnly('arguments')))
})

test('a wrong word throws as Node.js words it, and names the nearest one', async (t) => {
  const { monitor } = loadFacade(t)
  const types = "'fork', 'exec', 'exit', 'comm', 'uid', 'gid', 'sid', 'ptrace', 'coredump'"
  const subscribe = (type: string) => () => monitor.subscribe(type as never, noop)
  const events = (options: object) => () => monitor.events(options)
  const initialize = (options: object) => () => monitor.initialize(options)
  const cases: [() => unknown, string][] = [
    [subscribe('nope'), `The argument 'type' must be one of: ${types}. Received 'nope'`],
    [subscribe('exce'), `The argument 'type' must be one of: ${types}. Received 'exce'. Did you mean 'exec'?`],
    [subscribe('EXIT'), `The argument 'type' must be one of: ${types}. Received 'EXIT'. Did you mean 'exit'?`],
    [events({ types: ['exec', 'nope'] }), `The property 'options.types[1]' must be one of: ${types}. Received 'nope'`],
    [events({ types: [] }), "The property 'options.types' must have at least one type. Received []"],
    [
      initialize({ source: 'nope' }),
      "The property 'options.source' must be one of: 'netlink', 'polling', 'auto'. Received 'nope'",
    ],
    [
      initialize({ priority: 'ordinry' }),
      "The property 'options.priority' must be one of: 'auto', 'ordinary'. Received 'ordinry'. Did you mean 'ordinary'?",
    ],
    [
      initialize({ procRoot: '' }),
      "The property 'options.procRoot' must be a path, not empty and without null bytes. Received ''",
    ],
  ]
  for (const [call, message] of cases) await t.throwsAsync(async () => call(), { ...value, message })
  const unknown = { ...value, message: /^The property 'options\.capture\[1\]' must .* Did you mean 'argv'\?$/ }
  t.throws(() => monitor.subscribeExec(noop, { capture: ['name', 'args'] } as never), unknown)
  const long = t.throws(subscribe('x'.repeat(1000)), value)
  t.true(long.message.length < 300)
})

test('a word of another tool leads to the option that means the same', (t) => {
  const { monitor } = loadFacade(t)
  const filters = [
    ['cmd', "Did you mean 'commandLine'?"],
    ['command', "Did you mean 'commandLine'?"],
    ['cmdline', "Did you mean 'commandLine'?"],
    ['args', "Did you mean 'commandLine'?"],
    ['argv', "Did you mean 'commandLine'?"],
    ['containerId', "Did you mean 'cgroup'?"],
    ['container', "Did you mean 'cgroup'?"],
    ['path', "Did you mean 'exe'?"],
    ['user', "Did you mean 'uid'?"],
    ['comm', "Did you mean 'name'?"],
    ['ppid', "Did you mean 'ancestor'?"],
    ['fields', "Did you mean 'capture'?"],
    ['pid', "Compare the pid in the callback. The option 'ancestor' selects the descendants of a process."],
    ['timeout', "Pass the option 'signal', such as AbortSignal.timeout(1000)."],
  ] as const
  for (const [key, ending] of filters) {
    const message = `The property 'options.${key}' is unknown. ${ending}`
    t.throws(() => monitor.subscribeExec(noop, { [key]: 'x' }), { ...value, message })
    t.throws(() => monitor.events({ [key]: 'x' }), { ...value, message })
  }
  const fields = [
    ['commandLine', 'argv'],
    ['cmdline', 'argv'],
    ['path', 'exe'],
    ['user', 'uid'],
    ['login_uid', 'loginUid'],
    ['group', 'gid'],
    ['containerId', 'cgroup'],
  ] as const
  for (const [word, field] of fields) {
    const message = new RegExp(`Received '${word}'\\. Did you mean '${field}'\\?$`)
    t.throws(() => monitor.subscribeExec(noop, { capture: [word] as never }), { ...value, message })
  }
  for (const [word, type] of [
    ['spawn', 'exec'],
    ['end', 'exit'],
  ]) {
    const message = new RegExp(`Did you mean '${type}'\\?$`)
    t.throws(() => monitor.subscribe(word as never, noop), { ...value, message })
  }
})

test('nearest() takes the word with the fewest edits, regardless of case, unless all differ too much', (t) => {
  const words = ['name', 'commandLine', 'cgroup', 'uid']
  for (const [word, expected] of [
    ['nmae', 'name'],
    ['NAME', 'name'],
    ['names', 'name'],
    ['group', 'cgroup'],
    ['command_line', 'commandLine'],
    ['gid', 'uid'],
    ['', undefined],
    ['pattern', undefined],
    ['x'.repeat(1e6), undefined],
  ] as const) {
    t.is(nearest(word, words), expected, word.slice(0, 20))
  }
  t.is(nearest('x', []), undefined)
})

/** Calls `initialize` with each options in turn, and returns the codes and messages of the process warnings. */
async function warningsOf(calls: string): Promise<string[]> {
  const { code, stdout } = await child(`
    const out = []
    process.on('warning', ({ name, code, message }) => out.push([name, code, message].join(' ')))
    const [mine, other] = [(argv) => argv, (argv) => argv]
    const start = async () => { ${calls} }
    start().then(() => setTimeout(() => { console.log(JSON.stringify(out)); process.exit() }, 20))`)
  if (code !== 0) throw new Error(`exit code ${code}`)
  return JSON.parse(stdout)
}

test('a later initialize() with other options causes a process warning', async (t) => {
  const prefix =
    'ProcessMonitorWarning PROC_EVENTS_OPTIONS_IGNORED initialize: ignored these options, which differ from '
  const ignored = (names: string): string =>
    `${prefix}those of the first call: ${names}. Pass them to the first call, or call stop() first.`
  const given = 'redact: mine, source: "auto", queueSize: 9'
  const cases: [string, string[]][] = [
    [`monitor.initialize({ ${given} }); await monitor.initialize({ ${given} })`, []],
    [`await monitor.initialize({ ${given} }); await monitor.initialize(); await monitor.initialize({})`, []],
    ['await monitor.initialize(); await monitor.initialize({ source: "netlink", queueSize: 65536 })', []],
    ['await monitor.initialize(); await monitor.initialize({ source: undefined })', []],
    ['await monitor.initialize({ redact: mine }); await monitor.initialize({ redact: other })', [ignored('redact')]],
    ['monitor.initialize(); monitor.initialize({ redact: mine, queueSize: 1 })', [ignored('queueSize, redact')]],
    // Each option is warned of once, however often it is passed.
    ['for (let i = 0; i < 9; i++) await monitor.initialize({ queueSize: i + 1 })', [ignored('queueSize')]],
    // The options are those at the time of the call.
    [
      'const o = { queueSize: 1 }; monitor.initialize(o); o.queueSize = 2; monitor.initialize(o)',
      [ignored('queueSize')],
    ],
    // A new start has its own options.
    [
      'await monitor.initialize({ queueSize: 1 }); await monitor.stop(); await monitor.initialize({ queueSize: 2 })',
      [],
    ],
  ]
  for (const [calls, warnings] of cases) t.deepEqual(await warningsOf(calls), warnings, calls)
})

test('a later initialize() with a wrong option rejects, and the monitor continues', async (t) => {
  const { monitor, fake } = loadFacade(t)
  const first = monitor.initialize()
  await t.throwsAsync(monitor.initialize({ sorce: 'auto' } as MonitorOptions), value)
  await first
  t.is(monitor.initialize(), first)
  t.deepEqual(fake.source.calls, ['scan'])
})
