/** Arguments that are redacted once give what they give each time. */
import * as fc from 'fast-check'
import test from 'ava'
import { memoized } from '../../dist/src/redact/memo.js'
import { redactSecrets } from '../../dist/src/redact/redact-secrets.js'

test('the remembered form of any arguments is the redacted one', (t) => {
  const words = fc.constantFrom('', 'curl', '-u', 'a:b', '--password', 'x', '--token=abc', 'http://u:p@h/', '"', ' ')
  const redact = memoized(redactSecrets, 8)
  fc.assert(
    fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 5 }), (argv) => {
      for (let again = 0; again < 2; again++) t.deepEqual([...redact(argv)], redactSecrets(argv))
    }),
    { numRuns: 500 },
  )
})

test('equal arguments are redacted once, as long as they are remembered', (t) => {
  const seen: string[][] = []
  const redact = memoized((argv) => {
    seen.push([...argv])
    return argv
  }, 2)
  for (const argv of [['a'], ['a'], [], [''], ['', ''], ['a'], ['a']]) t.deepEqual([...redact(argv)], argv)
  t.deepEqual(seen, [['a'], [], [''], ['', ''], ['a']])
  t.true(Object.isFrozen(redact(['a'])))
  // A long list is not kept.
  const long = ['x'.repeat(20_000)]
  const before = seen.length
  redact(long)
  redact(long)
  t.is(seen.length, before + 2)
})

test('an exception is not remembered', (t) => {
  let calls = 0
  const redact = memoized(() => {
    if (++calls === 1) throw new Error('once')
    return ['b']
  })
  t.throws(() => redact(['a']), { message: 'once' })
  t.deepEqual([...redact(['a'])], ['b'])
})

test('the same list is redacted once, unless it may change', (t) => {
  let calls = 0
  const redact = memoized((argv) => {
    calls++
    return argv
  }, 1)
  const [frozen, changing] = [Object.freeze(['a']), ['b']]
  t.is(redact(frozen), redact(frozen))
  // The equal lists before are forgotten.
  redact(changing)
  t.deepEqual([[...redact(frozen)], calls], [['a'], 2])
  changing[0] = 'c'
  t.deepEqual([...redact(changing)], ['c'])
})
