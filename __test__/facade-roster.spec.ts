/** Whom an event can concern: those who wait for another name are not asked, and the others are in their order. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'ava'
import * as fc from 'fast-check'
import type * as Rosters from '../src/roster.js'

const require = createRequire(import.meta.url)
const { Roster } = require('../src/roster.js') as typeof Rosters

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
      let roster = new Roster<Rosters.Member>()
      let place = 0
      for (const [narrow, leaves] of steps) {
        roster = roster.with({ place: ++place, narrow })
        const leaving = leaves === null ? undefined : roster.all[leaves]
        if (leaving !== undefined) roster = roster.without(leaving)
        for (const process of processes) {
          const expected = roster.all.filter(({ narrow }) => {
            if (narrow?.name !== undefined) return narrow.name === process.name
            return narrow?.exe === undefined || narrow.exe === process.exe
          })
          assert.deepEqual(roster.concerned(process), expected)
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
  const open = { place: 1, narrow: null }
  t.deepEqual(new Roster([open]).concerned(unread), [open])
})
