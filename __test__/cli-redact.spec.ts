/** What --redact hides, and what it leaves. */
import test from 'ava'
import { redact } from '../src/cli/redact.js'

test('what follows a word like password is redacted', (t) => {
  const cases: [string[], string[]][] = [
    [
      ['mysql', '--password=geheim', '-u', 'me'],
      ['mysql', '--password=[redacted]', '-u', 'me'],
    ],
    [
      ['x', '--password', 'geheim', 'b'],
      ['x', '--password', '[redacted]', 'b'],
    ],
    [
      ['x', '--api-key', '-geheim'],
      ['x', '--api-key', '[redacted]'],
    ],
    [
      ['x', '--token', '--verbose'],
      ['x', '--token', '--verbose'],
    ],
    [
      ['env', 'PGPASSWORD=a', 'AWS_SECRET_ACCESS_KEY=b', 'githubToken=c'],
      ['env', 'PGPASSWORD=[redacted]', 'AWS_SECRET_ACCESS_KEY=[redacted]', 'githubToken=[redacted]'],
    ],
    [
      ['curl', '-H', 'Authorization: Bearer a b'],
      ['curl', '-H', 'Authorization: [redacted]'],
    ],
    [
      ['curl', '-H', 'X-Api-Key: a'],
      ['curl', '-H', 'X-Api-Key: [redacted]'],
    ],
    [
      ['curl', '-d', '{"token":"a b","name":"c"}'],
      ['curl', '-d', '{"token":[redacted],"name":"c"}'],
    ],
    [
      ['git', 'clone', 'https://me:p@ss@host/x?y@z'],
      ['git', 'clone', 'https://[redacted]@host/x?y@z'],
    ],
    [
      ['sh', '-c', 'a --token x; b --key "y z"'],
      ['sh', '-c', 'a --token [redacted]; b --key [redacted]'],
    ],
    [
      ['sh', '-c', 'curl -H "authorization: basic abc" u'],
      ['sh', '-c', 'curl -H "authorization: [redacted]" u'],
    ],
    [
      ['x', '--keyfile', 'f', 'monkey=1', '--key-file=g', 'http://a/b'],
      ['x', '--keyfile', 'f', 'monkey=1', '--key-file=g', 'http://a/b'],
    ],
    [
      ['token', 'a'],
      ['token', 'a'],
    ],
    [[], []],
  ]
  for (const [argv, shown] of cases) t.deepEqual(redact(argv), shown)
})

test('redacting takes no time to speak of, whatever the arguments', (t) => {
  const long = ['a', '=', '-', ' ', ':', '/', '"', 'a=', '--a ', 'a://', 'a.', 'key', 'key ', '\n'].map((text) =>
    text.repeat(131_072 / text.length),
  )
  const before = process.cpuUsage().user
  t.is(redact(['x', ...long]).length, long.length + 1)
  // Less than what anything but a straight run through them takes, by far.
  t.true(process.cpuUsage().user - before < 5e6)
})
