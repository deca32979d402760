/** Filters and records with random contents: filters select by their conditions, and decoding reverses encoding. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'ava'
import * as fc from 'fast-check'
import type * as ContainerId from '../../dist/src/native/container-id.js'
import type * as Records from '../../dist/src/native/record.js'
import type * as Filters from '../../dist/src/monitor/filter.js'
import type * as RecordViews from '../../dist/src/native/record-view.js'
import type { ProcessInfo } from '../../dist/index.js'
import { FIELDS, fieldsOf, filters, passes, processes, written } from '../support/fake/filters.ts'
import { initialized, settled } from '../support/fake/facade.ts'

const require = createRequire(import.meta.url)
const { FIRST_RECORD, RecordBuffer, hasProcess, readEvent, readProcess } =
  require('../../dist/src/native/record.js') as typeof Records
const { containerIdIn, containerIdOf } = require('../../dist/src/native/container-id.js') as typeof ContainerId
const { compileFilter } = require('../../dist/src/monitor/filter.js') as typeof Filters
const { RecordView } = require('../../dist/src/native/record-view.js') as typeof RecordViews
const r = require('../support/fake/records.cjs')

test('a process passes a filter if all conditions hold, on every evaluation', (t) => {
  fc.assert(
    fc.property(filters, fc.array(processes, { maxLength: 6 }), (filter, processes) => {
      const options = written(filter)
      const regexes = Object.values(options).filter((pattern) => pattern instanceof RegExp)
      const positions = regexes.map(({ lastIndex }) => lastIndex)
      const { matches, fields } = compileFilter(options)
      assert.equal(matches === null, Object.keys(filter).length === 0)
      assert.deepEqual(
        FIELDS.filter((_, bit) => fields & (1 << bit)),
        FIELDS.filter((field) => fieldsOf(filter).includes(field)),
      )
      if (matches === null) return
      const view = new RecordView(
        null,
        () => {},
        () => 0,
      )
      for (const process of [...processes, ...processes]) {
        // Other captured fields surround the fields of the filter.
        const words = r.exec(7, { process: process && { ppid: 1, gid: 2, startTime: 3, ...process } })
        const buffer = new RecordBuffer(words.length)
        buffer.words.set(words)
        assert.equal(matches(view.seek(buffer, 0)), passes(filter, process))
      }
      assert.deepEqual(
        regexes.map(({ lastIndex }) => lastIndex),
        positions,
      )
    }),
    { numRuns: 2000, includeErrorInReport: true },
  )
  t.pass()
})

const u32 = fc.nat(2 ** 32 - 1)
const u64 = fc.oneof(fc.maxSafeNat(), fc.bigInt(0n, 2n ** 64n - 1n))
/** All of Unicode except NUL, which ends an argument. */
const text = fc.string({ unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constant('😀')) })
const argument = text.map((text) => text.replaceAll('\0', ''))
const origin = fc.constantFrom('kernel', 'bootstrap', 'resync', 'polling')

const captured = fc.record(
  {
    name: fc.option(text),
    ppid: fc.option(u32),
    exe: fc.option(text),
    argv: fc.option(fc.array(fc.oneof(argument, fc.constant('')))),
    cwd: fc.option(text),
    uid: fc.option(u32),
    gid: fc.option(u32),
    cgroup: fc.option(text),
    startTime: fc.option(fc.maxSafeNat()),
    comm: fc.option(text),
    loginUid: fc.option(u32),
  },
  { requiredKeys: [] },
)

/** For each event type, its specific values and the words that encode them. */
const own = fc.oneof(
  fc.constant({ type: 'exec', five: [], values: {} }),
  fc.constant({ type: 'sid', five: [], values: {} }),
  fc.nat(2 ** 31).map((ppid) => ({ type: 'fork', five: [ppid], values: { ppid } })),
  fc.nat(2 ** 31).map((ppid) => ({ type: 'coredump', five: [ppid], values: { ppid: ppid || null } })),
  fc.nat(2 ** 31).map((tracer) => ({ type: 'ptrace', five: [tracer], values: { tracerPid: tracer || null } })),
  fc.tuple(u32, u32).map(([ruid, euid]) => ({ type: 'uid', five: [ruid, euid], values: { ruid, euid } })),
  fc.tuple(u32, u32).map(([rgid, egid]) => ({ type: 'gid', five: [rgid, egid], values: { rgid, egid } })),
)

const event = fc.record({
  own,
  pid: fc.nat(2 ** 31),
  time: u64,
  origin,
  process: fc.option(captured),
  truncated: fc.boolean(),
})

test('a decoded record equals the encoded one at every position in the buffer', (t) => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 8 }), fc.nat(5), (events, before) => {
      const records: number[][] = events.map(({ own, pid, process, ...others }) =>
        r.event(own.type, pid, { five: own.five, process: process ?? undefined, ...others }),
      )
      const read = decode(records, before)
      const expected = events.map(({ own, pid, time, origin, process, truncated }) => {
        const base = { type: own.type, pid, timestampNs: Number(time), timeMs: timeOfDay(time), origin, ...own.values }
        return { ...base, process: completed(process ?? {}, truncated) }
      })
      assert.deepEqual(read, expected)
      const seen = records.map((record) => hasProcess(Uint32Array.from(record), 0))
      assert.deepEqual(
        seen,
        events.map(({ process }) => process !== null),
      )
    }),
    { numRuns: 500, includeErrorInReport: true },
  )
  t.pass()
})

test('a decoded exit equals the encoded one', (t) => {
  const signals = ['SIGHUP', 'SIGABRT', 'SIGKILL', 'SIGSEGV', 'SIG32', 'SIGRTMIN+0', 'SIGRTMIN+30']
  const numbers = [1, 6, 9, 11, 32, 34, 64]
  const values = fc.record({
    exitCode: fc.option(fc.nat(255)),
    signal: fc.option(fc.constantFrom(...signals)),
    coreDumped: fc.boolean(),
    ppid: fc.option(fc.integer({ min: 1, max: 2 ** 31 })),
    durationNs: fc.option(fc.maxSafeNat()),
    sinceStart: fc.boolean(),
  })
  fc.assert(
    fc.property(values, captured, ({ sinceStart, ...values }, process) => {
      const { exitCode, signal, coreDumped, ppid, durationNs } = values
      const record = r.exit(7, {
        code: exitCode ?? undefined,
        signal: signal === null ? undefined : numbers[signals.indexOf(signal)],
        core: coreDumped,
        ppid: ppid ?? 0,
        duration: durationNs ?? undefined,
        sinceStart,
        process,
      })
      const base = { type: 'exit', pid: 7, timestampNs: 0, timeMs: timeOfDay(0), origin: 'kernel' }
      const durationSince = durationNs === null ? null : sinceStart ? 'start' : 'exec'
      assert.deepEqual(decode([record]), [{ ...base, ...values, durationSince, process: completed(process, false) }])
    }),
    { numRuns: 500, includeErrorInReport: true },
  )
  t.pass()
})

test('a decoded thread name of up to 16 bytes equals the encoded one', (t) => {
  const name = argument.filter((text) => Buffer.byteLength(text) <= 16)
  fc.assert(
    fc.property(name, u32, (comm, tid) => {
      const base = { type: 'comm', pid: 7, timestampNs: 0, timeMs: timeOfDay(0), origin: 'kernel', process: {} }
      assert.deepEqual(decode([r.comm(7, tid, comm)]), [{ ...base, comm, tid }])
    }),
  )
  t.pass()
})

test('the own container is found by the files that docker and podman mount', (t) => {
  const hex = 'a1'.repeat(32)
  const mount = (root: string, point: string): string =>
    `22 21 0:5 / /proc rw - proc proc rw\n647 627 8:1 ${root} ${point} rw,relatime - ext4 /dev/sda1 rw\n`
  const docker = `/var/lib/docker/containers/${hex}/resolv.conf`
  const podman = `/home/me/.local/share/containers/storage/overlay-containers/${hex}/userdata/hostname`
  t.is(containerIdIn(mount(docker, '/etc/resolv.conf')), hex)
  t.is(containerIdIn(mount(podman, '/etc/hostname')), hex)
  for (const driver of ['vfs', 'btrfs', 'zfs']) {
    t.is(containerIdIn(mount(podman.replace('overlay', driver), '/etc/hosts')), hex, driver)
  }
  // The files of a Kubernetes pod are those of its sandbox, and a log shipper mounts those of all containers.
  t.is(containerIdIn(mount(`/run/containerd/io.containerd.grpc.v1.cri/sandboxes/${hex}/hosts`, '/etc/hosts')), null)
  t.is(containerIdIn(mount(`/var/lib/docker/containers/${hex}/json.log`, '/logs/json.log')), null)
})

test('the container id is the last run of 64 hex digits in the cgroup', (t) => {
  const id = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
  const part = fc.constantFrom('/', '/docker/', '/a.slice/cri-containerd-', '.scope:', '/kubepods/pod0/', '.scope/init')
  fc.assert(
    fc.property(fc.array(fc.tuple(part, id), { minLength: 1, maxLength: 3 }), part, (parts, end) => {
      assert.equal(containerIdOf(parts.flat().join('') + end), parts.at(-1)![1])
    }),
  )
  t.pass()
})

test.serial('every event is delivered once and in order with any buffer and batch size', async (t) => {
  const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.oneof(fc.constant(0), fc.nat(80_000))), {
    minLength: 1,
    maxLength: 6,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(runs, fc.integer({ min: 1, max: 3000 }), fc.boolean(), async (runs, drainAtMost, held) => {
      const { monitor, fake } = await initialized(t)
      fake.behaviour.drainAtMost = drainAtMost
      if (!held) monitor.unref()
      const seen: number[] = []
      monitor.subscribeExec((pid) => seen.push(pid))
      let last = 0
      for (const [count, padding] of runs) {
        for (let i = 0; i < count; i++) fake.source.push(r.exec(++last))
        if (padding > 0) fake.source.push(r.exec(++last, { process: { cwd: 'x'.repeat(padding) } }))
        if (count % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await settled(fake)
      assert.deepEqual(
        seen,
        Array.from({ length: last }, (_, i) => i + 1),
      )
      await monitor.stop()
    }),
    { numRuns: 40, includeErrorInReport: true },
  )
  t.pass()
})

function decode(records: number[][], before = 0): unknown[] {
  const words = records.flat()
  const first = FIRST_RECORD + before
  const buffer = new RecordBuffer(first + words.length)
  buffer.words.set(r.pair(r.TIME_OFFSET), 1)
  buffer.words.set(words, first)
  const events: unknown[] = []
  for (let at = first; at < buffer.words.length; at += buffer.words[at + 1]!) {
    events.push(readEvent(buffer, at, readProcess(buffer, at)))
  }
  return events
}

/** Returns the time of day of an event, in milliseconds. */
function timeOfDay(timestampNs: number | bigint): number {
  return Math.round((Number(r.TIME_OFFSET) + Number(timestampNs)) / 1000) / 1000
}

/** Returns the captured fields and the fields that the facade adds to them. */
function completed(process: ProcessInfo, truncated: boolean): ProcessInfo {
  return {
    ...process,
    ...(process.argv !== undefined && truncated ? { argvTruncated: true } : {}),
    ...(process.cgroup === undefined ? {} : { containerId: null }),
  }
}
