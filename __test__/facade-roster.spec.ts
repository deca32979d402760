/** Whom an event can concern: those who wait for another name are not asked, and the others are in their order. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'ava'
import * as fc from 'fast-check'
import type * as Rosters from '../src/monitor/subscription-index.js'

const require = createRequire(import.meta.url)
const { Roster } = require('../src/monitor/subscription-index.js') as typeof Rosters

const text = fc.constantFrom('sh', 'bash', '')
const narrow = fc.option(
  fc.record({ name: text, exe: text, uid: fc.nat(1) }, { requiredKeys: [], noNullPrototype: true }),
)
const read = fc.option(text)
const process = fc.record({ name: read, exe: read }).map((texts) => ({
  ...texts,
  commandLine: null,
  cgroup: null,
  uid: null,
}))

test('they are all but those whose exact name, or else exe, is another', (t) => {
  const steps = fc.array(fc.tuple(narrow, fc.option(fc.nat(9), { freq: 3 })), { maxLength: 12 })
  fc.assert(
    fc.property(steps, fc.array(process, { maxLength: 4 }), (steps, processes) => {
      const roster = new Roster<Rosters.Member>()
      const members: Rosters.Member[] = []
      let place = 0
      for (const [narrow, leaves] of steps) {
        const member = { place: ++place, callback: {}, narrow }
        assert(roster.add(member))
        assert(!roster.add({ ...member, place: 0 }), 'twice')
        members.push(member)
        const leaving = leaves === null ? undefined : members[leaves]
        if (leaving !== undefined) {
          roster.delete(leaving)
          members.splice(members.indexOf(leaving), 1)
        }
        assert.deepEqual([...roster.all], members)
        for (const process of processes) {
          const expected = members.filter(({ narrow }) => {
            if (narrow?.name !== undefined) return narrow.name === process.name
            return narrow?.exe === undefined || narrow.exe === process.exe
          })
          assert.deepEqual([...roster.concerned(process)], expected)
        }
      }
    }),
    { numRuns: 1000, includeErrorInReport: true },
  )
  t.pass()
})

test('nothing is read of a process if nobody waits for it', (t) => {
  const unread = new Proxy({} as Parameters<Rosters.Roster<Rosters.Member>['concerned']>[0], {
    get: (_, field) => t.fail(String(field)),
  })
  const open = { place: 1, callback: {}, narrow: null }
  const roster = new Roster<Rosters.Member>()
  roster.add(open)
  t.deepEqual([...roster.concerned(unread)], [open])
})

test('who comes, goes or is concerned costs nothing of the others', (t) => {
  let reads = 0
  const roster = new Roster<Rosters.Member>()
  const counted = (place: number, narrow: Rosters.Member['narrow']): Rosters.Member => ({
    place,
    callback: {},
    get narrow() {
      reads++
      return narrow
    },
  })
  const members = Array.from({ length: 1000 }, (_, i) => counted(i, { [i % 2 ? 'name' : 'exe']: `other ${i}` }))
  const process = { name: 'sh', exe: '/bin/sh', commandLine: null, cgroup: null, uid: null }
  for (const member of members) {
    roster.add(member)
    t.deepEqual([...roster.concerned(process)], [])
  }
  for (const member of members.toReversed()) {
    roster.delete(member)
    t.deepEqual([...roster.concerned(process)], [])
  }
  t.is(reads, 2 * members.length)
})

test('iterated over, it gives who has come meanwhile last, and nobody who has left', (t) => {
  const roster = new Roster<Rosters.Member>()
  const process = { name: 'sh', exe: null, commandLine: null, cgroup: null, uid: null }
  for (const narrow of [null, { name: 'sh' }]) {
    const [first, second, third] = [1, 2, 3].map((place) => ({ place, callback: {}, narrow }))
    roster.add(first!)
    roster.add(second!)
    const seen: number[] = []
    for (const { place } of roster.concerned(process)) {
      seen.push(place)
      if (place === 1) roster.delete(second!)
      if (place === 1) roster.add(third!)
    }
    t.deepEqual(seen, [1, 3])
    for (const member of [first, third]) roster.delete(member!)
  }
})
