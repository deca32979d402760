/** The account of the sink of `npm run bench -- fleet`, without a transport. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { array, assert, nat, property } from 'fast-check'
import { makeHost, random } from '../../bench/fleet/hosts.ts'
import { Ledger, Sequence, type Line } from '../../bench/fleet/ledger.ts'

const recording = join(import.meta.dirname, '..', 'support', 'recording.ndjson')
const recorded = readFileSync(recording, 'utf8').trimEnd().split('\n')

test('gaps and duplicates are those of the numbers, in any order', (t) => {
  const numbers = array(nat({ max: 40 }), { maxLength: 80 })
  assert(
    property(numbers, (sent) => {
      const sequence = new Sequence()
      const fresh = sent.filter((seq) => sequence.add(seq))
      const seen = new Set(sent)
      t.is(fresh.length, seen.size)
      t.is(sequence.duplicates, sent.length - seen.size)
      const missing = sequence.gaps.flatMap(([from, to]) =>
        Array.from({ length: to - from }, (_, index) => from + index),
      )
      const expected = Array.from({ length: Math.max(-1, ...sent) + 1 }, (_, seq) => seq).filter(
        (seq) => !seen.has(seq),
      )
      t.deepEqual(
        missing.toSorted((a, b) => a - b),
        expected,
      )
    }),
  )
})

test('the account of a host is the truth, whatever the order of its lines', (t) => {
  let [gaps, duplicates, cutOff, told] = [0, 0, 0, 0]
  for (let seed = 0; seed < 100; seed++) {
    const { id, sent, truth } = makeHost(seed, recorded, { hosts: 1, lines: 200, seed })
    const next = random(seed)
    const shuffled = sent.map((line) => ({ line, at: next() })).toSorted((a, b) => a.at - b.at)
    const ledger = new Ledger()
    for (const { line } of shuffled) ledger.add(id, JSON.parse(line) as Line)
    t.deepEqual(ledger.accounts(), { [id]: truth })
    for (const stream of truth.streams) {
      gaps += stream.gaps.length
      duplicates += stream.duplicates
      cutOff += Number(stream.isCutOff)
      told += stream.told
    }
  }
  // Each fault occurs.
  t.true(Math.min(gaps, duplicates, cutOff, told) > 10, [gaps, duplicates, cutOff, told].join())
})

test('lines of streams are those that were written, but for the gaps and what lies behind the last line', (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const { sent, truth, lostAtEnd } = makeHost(seed, recorded, { hosts: 1, lines: 200, seed })
    const missing = truth.streams.flatMap((stream) => stream.gaps).reduce((sum, [from, to]) => sum + to - from, 0)
    const lines = truth.streams.reduce((sum, stream) => sum + stream.lines, 0)
    const written = truth.streams.length * Math.ceil(200 / truth.streams.length)
    // Streams that end have one line more.
    t.true(lines + missing + lostAtEnd >= written && lines + missing + lostAtEnd <= written + truth.streams.length)
    t.is(sent.length, lines + truth.streams.reduce((sum, stream) => sum + stream.duplicates, 0))
    if (lostAtEnd > 0) t.true(truth.streams.some(({ isCutOff }) => isCutOff))
  }
})
