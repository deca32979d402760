/** The index of subscriptions. It skips subscriptions with another name, and keeps the order of the others. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'ava'
import * as fc from 'fast-check'
import type * as Indexes from '../../dist/src/monitor/subscription-index.js'

const require = createRequire(import.meta.url)
const { SubscriptionIndex } = require('../../dist/src/monitor/subscription-index.js') as typeof Indexes

const text = fc.constantFrom('sh', 'bash', '')
const criteria = fc.option(
  fc.record({ name: text, exe: text, uid: fc.nat(1) }, { requiredKeys: [], noNullPrototype: true }),
)
const read = fc.option(text)
const process = fc.record({ name: read, comm: read, exe: read }).map((texts) => ({
  ...texts,
  cwd: null,
  commandLine: null,
  cgroup: null,
  uid: null,
}))

test('candidates() skips subscriptions with another exact name or exe', (t) => {
  const steps = fc.array(fc.tuple(criteria, fc.option(fc.nat(9), { freq: 3 })), { maxLength: 12 })
  fc.assert(
    fc.property(steps, fc.array(process, { maxLength: 4 }), (steps, processes) => {
      const index = new SubscriptionIndex<Indexes.IndexEntry>()
      const entries: Indexes.IndexEntry[] = []
      let place = 0
      for (const [criteria, leaves] of steps) {
        const entry = { place: ++place, callback: {}, criteria }
        assert(index.add(entry))
        assert(!index.add({ ...entry, place: 0 }), 'twice')
        entries.push(entry)
        const leaving = leaves === null ? undefined : entries[leaves]
        if (leaving !== undefined) {
          index.delete(leaving)
          entries.splice(entries.indexOf(leaving), 1)
        }
        assert.deepEqual([...index.all], entries)
        for (const process of processes) {
          const expected = entries.filter(({ criteria }) => {
            if (criteria?.name !== undefined) return criteria.name === process.name || criteria.name === process.comm
            return criteria?.exe === undefined || criteria.exe === process.exe
          })
          assert.deepEqual([...index.candidates(process)], expected)
        }
      }
    }),
    { numRuns: 1000, includeErrorInReport: true },
  )
  t.pass()
})

test('candidates() reads no field of a process without a subscription for an exact name or exe', (t) => {
  const unread = new Proxy({} as Parameters<Indexes.SubscriptionIndex<Indexes.IndexEntry>['candidates']>[0], {
    get: (_, field) => t.fail(String(field)),
  })
  const open = { place: 1, callback: {}, criteria: null }
  const index = new SubscriptionIndex<Indexes.IndexEntry>()
  index.add(open)
  t.deepEqual([...index.candidates(unread)], [open])
})

test('add(), delete() and candidates() do not touch subscriptions with another name', (t) => {
  let reads = 0
  const index = new SubscriptionIndex<Indexes.IndexEntry>()
  const counted = (place: number, criteria: Indexes.IndexEntry['criteria']): Indexes.IndexEntry => ({
    place,
    callback: {},
    get criteria() {
      reads++
      return criteria
    },
  })
  const entries = Array.from({ length: 1000 }, (_, i) => counted(i, { [i % 2 ? 'name' : 'exe']: `other ${i}` }))
  const process = { name: 'sh', comm: null, exe: '/bin/sh', cwd: null, commandLine: null, cgroup: null, uid: null }
  for (const entry of entries) {
    index.add(entry)
    t.deepEqual([...index.candidates(process)], [])
  }
  for (const entry of entries.toReversed()) {
    index.delete(entry)
    t.deepEqual([...index.candidates(process)], [])
  }
  t.is(reads, 2 * entries.length)
})

test('candidates() yields a subscription that is added during the iteration, and none that is deleted', (t) => {
  const index = new SubscriptionIndex<Indexes.IndexEntry>()
  const process = { name: 'sh', comm: 'sh', exe: null, cwd: null, commandLine: null, cgroup: null, uid: null }
  for (const criteria of [null, { name: 'sh' }]) {
    const [first, second, third] = [1, 2, 3].map((place) => ({ place, callback: {}, criteria }))
    index.add(first!)
    index.add(second!)
    const seen: number[] = []
    for (const { place } of index.candidates(process)) {
      seen.push(place)
      if (place === 1) index.delete(second!)
      if (place === 1) index.add(third!)
    }
    t.deepEqual(seen, [1, 3])
    for (const entry of [first, third]) index.delete(entry!)
  }
})
