/** Native records decoded to events and captured details, and filters on them. */
import { createRequire } from 'node:module'
import test from 'ava'
import type * as RecordViews from '../../dist/src/native/record-view.js'
import type * as TextCaches from '../../dist/src/native/text-cache.js'
import { initialized, loadFacade, settled } from '../support/fake/facade.ts'

const require = createRequire(import.meta.url)

const ECS = '0123456789abcdef0123456789abcdef-4183654203'
const [HEX, OTHER] = ['0123456789abcdef'.repeat(4), 'f'.repeat(64)]

test('every type of event is decoded', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  const types = ['fork', 'exec', 'exit', 'comm', 'uid', 'gid', 'sid', 'ptrace', 'coredump'] as const
  for (const type of types) monitor.subscribe(type, (pid, event) => seen.push([pid, event]))
  const time = 5_000_000_123
  const base = { timestampNs: time, timeMs: 1_700_000_005_000, origin: 'kernel', process: {} }
  const start = { ...base, timestampNs: 0, timeMs: 1_700_000_000_000 }
  const exit = {
    coreDumped: false,
    ppid: null,
    durationNs: null,
    durationSince: null,
    exitCode: null,
    signal: null,
  }
  const cases: [number[], object][] = [
    [r.event('fork', 10, { time, five: [1] }), { type: 'fork', pid: 10, ...base, ppid: 1 }],
    [r.exec(11, { time, origin: 'bootstrap' }), { type: 'exec', pid: 11, ...base, origin: 'bootstrap' }],
    [
      r.exec(11, { time: 2 ** 52 + 1 }),
      { type: 'exec', pid: 11, ...base, timestampNs: 2 ** 52 + 1, timeMs: 1_704_503_599_627.371 },
    ],
    [
      r.exit(12, { time, code: 0, ppid: 3, duration: 2 ** 33 + 7 }),
      { type: 'exit', pid: 12, ...base, ...exit, exitCode: 0, ppid: 3, durationNs: 2 ** 33 + 7, durationSince: 'exec' },
    ],
    [r.exit(12, { time, code: 255 }), { type: 'exit', pid: 12, ...base, ...exit, exitCode: 255 }],
    [r.exit(12, { time, signal: 9 }), { type: 'exit', pid: 12, ...base, ...exit, signal: 'SIGKILL' }],
    [
      r.exit(12, { time, signal: 6, core: true, duration: 0 }),
      {
        type: 'exit',
        pid: 12,
        ...base,
        ...exit,
        signal: 'SIGABRT',
        coreDumped: true,
        durationNs: 0,
        durationSince: 'exec',
      },
    ],
    [
      r.exit(12, { time, code: 0, duration: 7, sinceStart: true }),
      { type: 'exit', pid: 12, ...base, ...exit, exitCode: 0, durationNs: 7, durationSince: 'start' },
    ],
    [r.exit(12, { time, signal: 35 }), { type: 'exit', pid: 12, ...base, ...exit, signal: 'SIGRTMIN+1' }],
    [r.exit(12, { time, signal: 32 }), { type: 'exit', pid: 12, ...base, ...exit, signal: 'SIG32' }],
    [r.exit(12, { time, origin: 'resync' }), { type: 'exit', pid: 12, ...base, ...exit, origin: 'resync' }],
    [r.comm(13, 14, 'größer'), { type: 'comm', pid: 13, ...start, tid: 14, comm: 'größer' }],
    [r.comm(13, 14, 'a'.repeat(16)), { type: 'comm', pid: 13, ...start, tid: 14, comm: 'a'.repeat(16) }],
    // The kernel cuts a comm within a character.
    [
      r.comm(13, 14, Buffer.from('aafünfzehn-stü').subarray(0, 15)),
      { type: 'comm', pid: 13, ...start, tid: 14, comm: String.raw`aafünfzehn-st\xc3` },
    ],
    [
      r.event('uid', 15, { time, five: [1000, 4294967295] }),
      { type: 'uid', pid: 15, ...base, ruid: 1000, euid: 4294967295 },
    ],
    [r.event('gid', 16, { time, five: [5, 6] }), { type: 'gid', pid: 16, ...base, rgid: 5, egid: 6 }],
    [r.event('sid', 17, { time, origin: 'polling' }), { type: 'sid', pid: 17, ...base, origin: 'polling' }],
    [r.event('ptrace', 18, { time, five: [19] }), { type: 'ptrace', pid: 18, ...base, tracerPid: 19 }],
    [r.event('ptrace', 18, { time }), { type: 'ptrace', pid: 18, ...base, tracerPid: null }],
    [r.event('coredump', 20, { time, five: [0] }), { type: 'coredump', pid: 20, ...base, ppid: null }],
  ]
  fake.source.push(...cases.map(([words]) => words))
  await settled(fake)
  t.deepEqual(
    seen,
    cases.map(([, event]) => [(event as { pid: number }).pid, event]),
  )
})

test('an exit has a cost only if it is captured, null where it is unknown', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const usage = [2 ** 40 + 7, 2 ** 33, null, 0, 4, null, 6, 7, 8]
  const cost = {
    cpuNs: 2 ** 40 + 7,
    maxRssBytes: 2 ** 33,
    readBytes: null,
    writeBytes: 0,
    minorFaults: 4,
    majorFaults: null,
    voluntarySwitches: 6,
    involuntarySwitches: 7,
    cpuDelayNs: 8,
  }
  const seen: object[] = []
  const see = (_: number, event: object): void => void seen.push(event)
  monitor.subscribeExec(see, { capture: ['usage'] })
  const unsubscribe = monitor.subscribeExit(see)
  const process = { name: 'sh' }
  fake.source.push(r.exec(1), r.exit(1, { process, usage }))
  await settled(fake)
  t.true(seen.every((event) => !('usage' in event)))
  t.true(
    fake.source.rules.every(({ fields }: { fields: number }) => fields === 0),
    'an exec has no cost',
  )
  unsubscribe()
  monitor.subscribeExit(see, { ancestor: 9, capture: ['usage', 'name'] })
  const tag: number = fake.source.rules.find(({ ancestorId }: { ancestorId?: number }) => ancestorId).ancestorId
  const ancestryTags = [tag, tag + 1]
  fake.source.push(
    r.exit(2, { process, usage, ancestryTags }),
    r.exit(3, { usage, ancestryTags }),
    r.exit(4, { ancestryTags }),
  )
  await settled(fake)
  t.deepEqual(
    seen.slice(2).map((event) => (event as { usage: object | null }).usage),
    [cost, cost, null],
  )
})

test('an event with nothing captured shares one frozen object', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: object[] = []
  monitor.subscribeExec((_, { process }) => seen.push(process))
  fake.source.push(r.exec(1), r.exec(2), r.exec(3, { process: {} }))
  await settled(fake)
  t.is(new Set(seen).size, 1)
  t.true(Object.isFrozen(seen[0]))
})

test('captured fields are decoded, null if unreadable, and absent if not requested', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: object[] = []
  monitor.subscribe('exit', (_, { process }) => seen.push(process))
  const process = {
    name: 'größer als fünfzehn',
    ppid: 1,
    exe: '/bin/sh',
    argv: ['sh', '', '-c', 'a b\nc'],
    cwd: '/',
    uid: 1000,
    gid: 4294967295,
    cgroup: `/system.slice/docker-${HEX}.scope`,
    startTime: 2 ** 40 + 3,
    comm: 'größer',
    loginUid: 1000,
  }
  const all = { ...process, containerId: HEX }
  fake.source.push(r.exit(1, { process }))
  t.deepEqual(await next(), all)
  for (const field of Object.keys(process)) {
    fake.source.push(r.exit(1, { process: { ...process, [field]: null } }))
    t.deepEqual(await next(), { ...all, [field]: null, ...(field === 'cgroup' ? { containerId: null } : {}) }, field)
    fake.source.push(r.exit(1, { process: { [field]: process[field as 'name'] } }))
    t.deepEqual(await next(), {
      [field]: process[field as 'name'],
      ...(field === 'cgroup' ? { containerId: HEX } : {}),
    })
  }
  for (const argv of [[], [''], ['', ''], ['a']]) {
    fake.source.push(r.exec(1), r.exit(1, { process: { argv } }))
    t.deepEqual(await next(), { argv })
  }
  fake.source.push(r.exit(1, { process: { argv: ['a'] }, truncated: true }))
  t.deepEqual(await next(), { argv: ['a'], argvTruncated: true })

  async function next(): Promise<unknown> {
    await settled(fake)
    return seen.pop()
  }
})

test('a captured detail that a record lacks is null, and never undefined', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: object[] = []
  const off = monitor.subscribe('exit', (_, { process }) => seen.push(process), { capture: ['name', 'cgroup'] })
  monitor.subscribe('exit', (_, { process }) => seen.push(process), { commandLine: 'x', uid: 1 })
  const process = { name: 'sh', startTime: 5 }
  // The exec was not seen, nothing was captured at it, other details were, and all were.
  fake.source.push(r.exit(1), r.exit(2, { process: {} }), r.exit(3, { process }))
  fake.source.push(r.exit(4, { process: { ...process, argv: ['sh'], uid: 0, cgroup: '/' } }))
  await settled(fake)
  const none = { name: null, argv: null, uid: null, cgroup: null, containerId: null }
  t.deepEqual(seen.splice(0), [
    none,
    none,
    { ...none, ...process },
    { name: 'sh', argv: ['sh'], uid: 0, cgroup: '/', containerId: null, startTime: 5 },
  ])
  off()
  monitor.subscribe('exit', (_, { process }) => seen.push(process))
  fake.source.push(r.exit(1))
  await settled(fake)
  t.deepEqual(seen, [{ argv: null, uid: null }])
})

test('the arguments are frozen, so that no callback changes them for another', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  monitor.subscribeExec((_, { process }) => {
    t.throws(() => (process.argv as string[]).shift(), { instanceOf: TypeError })
    t.throws(() => (process.argv as string[]).push('more'), { instanceOf: TypeError })
  })
  monitor.subscribeExec((_, { process }) => seen.push(process.argv))
  fake.source.push(r.exec(1, { process: { argv: ['sh', '-c', 'x'] } }))
  await settled(fake)
  t.deepEqual(seen, [['sh', '-c', 'x']])
})

test('the container id is derived from the cgroup', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  monitor.subscribeExec((_, { process }) => seen.push(process.containerId))
  const cases: [string, string | null][] = [
    ['/', null],
    ['/user.slice/user-1000.slice/session-2.scope', null],
    [`/docker/${HEX}`, HEX],
    [`/docker/${OTHER}/docker/${HEX}/init.scope`, HEX],
    [`/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice/cri-containerd-${HEX}.scope`, HEX],
    [`/kubepods/besteffort/pod0a/${HEX}`, HEX],
    [`/machine.slice/libpod-${HEX}.scope/container`, HEX],
    [`/kubepods.slice/crio-${HEX}.scope`, HEX],
    ['/machine.slice/machine-web.scope/payload', 'web'],
    ['/machine.slice/systemd-nspawn@db.service', 'db'],
    [String.raw`/machine.slice/systemd-nspawn@my\x2dd\xc3\xb6b.service/payload`, 'my-döb'],
    ['/machine.slice/systemd-nspawn@db.service/supervisor', null],
    ['/machine.slice/machine-web.scope/supervisor', null],
    [String.raw`/machine.slice/machine-my\x2dweb.scope`, 'my-web'],
    [String.raw`/machine.slice/machine-qemu\x2d1\x2dvm.scope`, null],
    ['/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-4183654203', ECS],
    [`/ecs/my-cluster/0123456789abcdef0123456789abcdef/${HEX}`, HEX],
    ['/ecs/0123456789abcdef0123456789abcdef', null],
    [`/machine.slice/libpod-conmon-${HEX}.scope`, null],
    [`/kubepods.slice/crio-conmon-${HEX}.scope`, null],
    [`/x/${HEX}0`, null],
    ['/lxc.monitor.box', null],
    ['/lxc.payload.my-project_box/system.slice/ssh.service', 'my-project_box'],
    ['/user.slice/user-1000.slice/user@1000.service/user.slice/lxc.payload.box/init.scope', 'box'],
    [`/lxc.payload.box/system.slice/docker-${HEX}.scope`, HEX],
    ['/lxc.payload.box/init.scope', 'box'],
    ['/lxc/box', 'box'],
  ]
  fake.source.push(...cases.map(([cgroup]) => r.exec(1, { process: { cgroup } })))
  await settled(fake)
  t.deepEqual(
    seen,
    cases.map(([, id]) => id),
  )
})

test('filters select by text, pattern and uid', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const shell = { name: 'sh', exe: '/bin/sh', argv: ['sh', '-c', 'true'], uid: 0, cgroup: '/a' }
  const sticky = /h/y
  const global = /s/g
  global.lastIndex = 2
  const cases: [object, object | undefined, boolean][] = [
    [{}, undefined, true],
    [{ name: 'sh' }, shell, true],
    [{ name: 's' }, shell, false],
    [{ name: /^S/i }, shell, true],
    [{ name: global }, shell, true],
    [{ name: sticky }, shell, false],
    [{ name: /.*/ }, undefined, false],
    [{ name: /.*/ }, { ...shell, name: null }, false],
    [{ name: '' }, { ...shell, name: null }, false],
    [{ exe: '/bin/sh' }, shell, true],
    [{ exe: /bash$/ }, shell, false],
    [{ commandLine: 'sh -c true' }, shell, true],
    [{ commandLine: /-c$/ }, shell, false],
    [{ commandLine: /.*/ }, { ...shell, argv: null }, false],
    [{ uid: 0 }, shell, true],
    [{ uid: 0 }, { ...shell, uid: null }, false],
    [{ uid: 1000 }, shell, false],
    [{ cgroup: /^\/a/ }, shell, true],
    [{ name: 'sh', uid: 0, exe: /sh/ }, shell, true],
    [{ name: 'sh', uid: 1, exe: /sh/ }, shell, false],
    [{ name: 'sh', uid: 0, cgroup: '/b' }, shell, false],
  ]
  for (const type of ['exec', 'exit'] as const) {
    for (const [filter, process, expected] of cases) {
      let seen = 0
      const unsubscribe = monitor.subscribe(type, () => seen++, filter)
      // Each is tested twice, because a RegExp has a state.
      fake.source.push(...[1, 2].map((pid) => r[type](pid, { process })))
      await settled(fake)
      t.is(seen, expected ? 2 : 0, `${type} ${Object.entries(filter)}`)
      unsubscribe()
    }
  }
  t.is(global.lastIndex, 2)
})

test('arguments cut to none match no filter, but an empty argument list may', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: number[] = []
  monitor.subscribeExit((pid) => seen.push(pid), { commandLine: /^(?!secret)/ })
  const process = { argv: [] }
  fake.source.push(r.exit(1, { process }), r.exit(2, { process, truncated: true }))
  await settled(fake)
  t.deepEqual(seen, [1])
})

test('a record larger than the buffer makes the buffer grow', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: unknown[] = []
  monitor.subscribeExec((pid, { process }) => seen.push([pid, process.argv?.map((a) => a.length)]))
  const large = (length: number): object => ({ process: { argv: ['x', 'y'.repeat(length)] } })
  fake.source.push(r.exec(1), r.exec(2, large(100_000)), r.exec(3, large(1_000_000)), r.exec(4, large(1)))
  await settled(fake)
  t.deepEqual(seen, [
    [1, undefined],
    [2, [1, 100_000]],
    [3, [1, 1_000_000]],
    [4, [1, 1]],
  ])
})

test('a filter by ancestor selects events with its own tag', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: number[][] = [[], [], []]
  for (const pids of seen) monitor.subscribeExec((pid) => pids.push(pid), { ancestor: 9 })
  const ids: number[] = fake.source.rules.map(({ ancestorId }: { ancestorId: number }) => ancestorId)
  const process = { name: 'x' }
  fake.source.push(r.exec(1, { ancestryTags: ids }), r.exec(2, { ancestryTags: ids.slice(1, 2), process }), r.exec(3))
  await settled(fake)
  t.deepEqual(seen, [[1], [1, 2], [1]])
})

test('ancestry tags of a record are decoded once for all filters', (t) => {
  const { r } = loadFacade(t)
  const { RecordView } = require('../../dist/src/native/record-view.js') as typeof RecordViews
  const many = 1000
  const ids = Array.from({ length: many }, (_, i) => i + 1)
  let reads = 0
  const words = new Proxy(Uint32Array.from([0, ...r.exec(1, { ancestryTags: ids })]), {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return (reads++, value)
      return (...range: number[]) => {
        const part = (value as typeof target.subarray).apply(target, range as [])
        reads += part.length
        return part
      }
    },
  })
  const view = new RecordView(
    null,
    () => {},
    () => 0,
  ).seek({ words, bytes: Buffer.alloc(0) }, 1)
  for (const id of ids) t.true(view.hasAncestryTag(id))
  t.false(view.hasAncestryTag(many + 1))
  t.true(reads < 2 * many, String(reads))
})

test('a grown buffer is released after many small records', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  let seen = 0
  monitor.subscribeExec(() => seen++)
  const large = r.exec(1, { process: { argv: ['y'.repeat(1_000_000)] } })
  const small = Array.from({ length: 10_000 }, () => r.exec(2))
  const [first] = fake.source.bufferLengths
  fake.source.push(large, ...small, large, large, ...small.slice(0, 100), large, ...small.slice(0, 100))
  await settled(fake)
  const grown = fake.source.bufferLengths[1]
  t.true(grown > large.length)
  // The buffer grows again, and stays between large records that follow soon.
  t.deepEqual(fake.source.bufferLengths, [first, grown, first, grown])
  for (const record of small) {
    fake.source.push(record)
    if (fake.source.queue.length >= 100) await settled(fake)
  }
  await settled(fake)
  t.deepEqual(fake.source.bufferLengths, [first, grown, first, grown, first])
  t.is(seen, 20_204)
})

test('records of unknown kinds are ignored', async (t) => {
  const { monitor, fake, r } = await initialized(t)
  const seen: number[] = []
  monitor.subscribeExec((pid) => seen.push(pid))
  const unknown = [9, 31, 39, 255].map((kind) => [kind, ...r.exec(1).slice(1)])
  fake.source.push(...unknown, r.exec(2))
  await settled(fake)
  t.deepEqual(seen, [2])
})

test('a remembered text is the decoded one, whatever took its place meanwhile', (t) => {
  const { TextCache } = require('../../dist/src/native/text-cache.js') as typeof TextCaches
  let splits = 0
  const split = (text: string): string[] => {
    splits++
    return text.split('\0')
  }
  const cache = new TextCache(split)
  const memory = (text: string): { words: Uint32Array; bytes: Buffer } => {
    const size = Buffer.byteLength(text)
    const words = new Uint32Array(2 + Math.ceil(size / 4))
    const bytes = Buffer.from(words.buffer)
    words[1] = size
    bytes.write(text, 8)
    return { words, bytes }
  }
  // Many more than are remembered, some of which differ only in their length, and some that are too long.
  const texts = Array.from({ length: 3000 }, (_, i) => `${'\0é'.repeat(i % 100)}${i % 1000}`)
  for (const text of [...texts, ...texts.slice(0, 10), '', 'a', 'a\0', 'a\0\0']) {
    const source = memory(text)
    for (let again = 0; again < 2; again++) {
      t.is(cache.text(source, 1), text)
      t.deepEqual(cache.list(source, 1), text.split('\0'))
    }
  }
  splits = 0
  const source = memory('a\0b')
  t.is(cache.list(source, 1), cache.list(source, 1))
  t.is(splits, 1)
})
