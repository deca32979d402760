/**
 * The arguments that --redact hides, and the arguments that it leaves unchanged. The file is long because its tables are best
 * compared side by side.
 */
import test from 'ava'
import * as fc from 'fast-check'
import { redactSecrets as redact } from '../../dist/src/redact/redact-secrets.js'

/** Each command line, and its redacted form. */
function check(t: { deepEqual(actual: unknown, expected: unknown): void }, cases: readonly [string[], string[]][]) {
  for (const [argv, shown] of cases) t.deepEqual(redact(argv), shown)
}

test('the value after a confidential name is redacted', (t) => {
  check(t, [
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
      ['env', 'PGPASSWORD=a', 'AWS_SECRET_ACCESS_KEY=b', 'githubToken=c', 'apikey=d', 'aPiKeY=e', 'sesamKey=f'],
      [
        'env',
        'PGPASSWORD=[redacted]',
        'AWS_SECRET_ACCESS_KEY=[redacted]',
        'githubToken=[redacted]',
        'apikey=[redacted]',
        'aPiKeY=[redacted]',
        'sesamKey=[redacted]',
      ],
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
      ['sh', '-c', 'curl -H Authorization:Bearer abc u'],
      ['sh', '-c', 'curl -H Authorization:[redacted] u'],
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
  ])
})

test('a confidential name within the value of another option redacts its whole value', (t) => {
  check(t, [
    [
      ['docker', 'run', '--env=DB_PASSWORD=SECRET123', '-e', 'DB_PASSWORD=SECRET123', 'img'],
      ['docker', 'run', '--env=DB_PASSWORD=[redacted]', '-e', 'DB_PASSWORD=[redacted]', 'img'],
    ],
    [
      ['docker', 'build', '--build-arg=TOKEN=SECRET123', '.'],
      ['docker', 'build', '--build-arg=TOKEN=[redacted]', '.'],
    ],
    [
      ['helm', 'install', '--set=auth.password=SECRET123', '--set', 'a=b,auth.password=SECRET123,c=d'],
      ['helm', 'install', '--set=auth.password=[redacted]', '--set', 'a=b,auth.password=[redacted],c=d'],
    ],
    [
      ['wget', '--header=X-Api-Key: SECRET123', '--header=Authorization: Bearer SECRET123', 'http://x'],
      ['wget', '--header=X-Api-Key: [redacted]', '--header=Authorization: [redacted]', 'http://x'],
    ],
    [
      ['wget', '--header=Cookie: session=SECRET123; id=SECRET123', '--header=Authorization: SECRET123'],
      ['wget', '--header=Cookie: [redacted]', '--header=Authorization: [redacted]'],
    ],
    [
      ['curl', '--data=password=SECRET123', '-d', 'user=x&password=correct horse&a=b', '-HX-Api-Key: SECRET123'],
      ['curl', '--data=password=[redacted]', '-d', 'user=x&password=[redacted]&a=b', '-HX-Api-Key: [redacted]'],
    ],
    [
      ['curl', 'http://h/x?token=SECRET123&b=c', '-F', 'user[password]=SECRET,123', '-dkey=SECRET123'],
      ['curl', 'http://h/x?token=[redacted]&b=c', '-F', 'user[password]=[redacted]', '-dkey=[redacted]'],
    ],
    [
      ['spark', '--conf=spark.password=SECRET123', '-Dspring.datasource.password=SECRET123'],
      ['spark', '--conf=spark.password=[redacted]', '-Dspring.datasource.password=[redacted]'],
    ],
    [
      ['git', '-c', 'http.extraHeader=PRIVATE-TOKEN: SECRET123', 'clone'],
      ['git', '-c', 'http.extraHeader=PRIVATE-TOKEN: [redacted]', 'clone'],
    ],
    [
      ['git', '-c', 'http.extraHeader=Authorization: Basic SECRET123', 'clone'],
      ['git', '-c', 'http.extraHeader=Authorization: [redacted]', 'clone'],
    ],
    [
      ['x', '/password:SECRET123', '/p:password=SECRET123', '--password:SECRET123', '--pass=file:SECRET123'],
      ['x', '/password:[redacted]', '/p:password=[redacted]', '--password:[redacted]', '--pass=[redacted]'],
    ],
    [
      ['x', 'Server=db, 1433; Password=SECRET 123; Timeout=3', '--apikey=SECRET123', '--private_key=SECRET123'],
      ['x', 'Server=db, 1433; Password=[redacted]; Timeout=3', '--apikey=[redacted]', '--private_key=[redacted]'],
    ],
  ])
})

test('a redacted value extends to the end of its argument', (t) => {
  const values = [
    'correct horse battery',
    'abc,SECRET123',
    'abc&SECRET123',
    'abc;SECRET123',
    'abc"SECRET123',
    "'SECRET123",
    '"SECRET123',
    '=SECRET123',
    'a\nSECRET123',
    '{SECRET123',
    'password=SECRET123',
    'http://SECRET123@host',
  ]
  for (const value of values) {
    t.deepEqual(redact(['x', `--password=${value}`, 'b']), ['x', '--password=[redacted]', 'b'])
    t.deepEqual(redact(['x', `PASSWORD=${value}`, 'b']), ['x', 'PASSWORD=[redacted]', 'b'])
    t.deepEqual(redact(['x', `--env=PASSWORD=${value}`, 'b']), ['x', '--env=PASSWORD=[redacted]', 'b'])
    t.deepEqual(redact(['x', '--password', value, 'b']), ['x', '--password', '[redacted]', 'b'])
    t.deepEqual(redact(['x', '-H', `X-Token: ${value}`, 'b']), ['x', '-H', 'X-Token: [redacted]', 'b'])
  }
})

test('the argument after a confidential option is redacted, even if it begins with a dash', (t) => {
  check(t, [
    [
      ['x', '--token', '--verbose', 'b'],
      ['x', '--token', '[redacted]', 'b'],
    ],
    [
      ['x', '--password', '--SECRET123', 'b'],
      ['x', '--password', '[redacted]', 'b'],
    ],
    [
      ['x', '-password', '-SECRET123', 'b'],
      ['x', '-password', '[redacted]', 'b'],
    ],
    [
      ['--password', 'SECRET123'],
      ['--password', '[redacted]'],
    ],
    [
      ['x', '--password', '--token', 'SECRET123', 'b'],
      ['x', '--password', '[redacted]', '[redacted]', 'b'],
    ],
    [
      ['x', '--secret=', 'SECRET123', 'b'],
      ['x', '--secret=', '[redacted]', 'b'],
    ],
    [
      ['x', '--password', '=', 'SECRET123', 'b'],
      ['x', '--password', '[redacted]', '[redacted]', 'b'],
    ],
    [
      ['x', 'password', 'SECRET123', 'b'],
      ['x', 'password', '[redacted]', 'b'],
    ],
    [
      ['aws', 'configure', 'set', 'aws_secret_access_key', 'SECRET123'],
      ['aws', 'configure', 'set', 'aws_secret_access_key', '[redacted]'],
    ],
    [
      ['npm', 'config', 'set', '//r.example/:_authToken', 'SECRET123'],
      ['npm', 'config', 'set', '//r.example/:_authToken', '[redacted]'],
    ],
    [
      ['curl', '-H', 'Authorization:', 'Bearer', 'SECRET123', 'u'],
      ['curl', '-H', 'Authorization:', '[redacted]', '[redacted]', 'u'],
    ],
    [
      ['psql', '--no-password', 'base'],
      ['psql', '--no-password', 'base'],
    ],
    [
      ['x', '--password', '', 'b'],
      ['x', '--password', '', 'b'],
    ],
  ])
})

test('assignments and options within a script are redacted', (t) => {
  const cases: [string, string][] = [
    ['tool -v -password SECRET123', 'tool -v -password [redacted]'],
    ['tool --token --SECRET123 -v', 'tool --token [redacted] -v'],
    ['tool --password --token SECRET123 -v', 'tool --password [redacted] -v'],
    ['PASSWORD=abc\\ SECRET123 cmd', 'PASSWORD=[redacted]'],
    ['cd /x && PASSWORD=abc\\ SECRET123 cmd', 'cd /x && PASSWORD=[redacted] cmd'],
    ['mysql --password=abc\\;SECRET123', 'mysql --password=[redacted]'],
    ['a; mysql --password=abc"SECRET 123"SECRET b', 'a; mysql --password=[redacted] b'],
    ["mysql --password='it is' b", 'mysql --password=[redacted] b'],
    ['docker run --env=PASSWORD=a,SECRET123 img', 'docker run --env=PASSWORD=[redacted] img'],
    ['curl -d "user=x&password=SECRET 123" http://u', 'curl -d "user=x&password=[redacted]" http://u'],
    ['curl -d \'{"a":1,"password":"SECRET 123"}\' http://u', 'curl -d \'{"a":1,"password":[redacted]}\' http://u'],
    ['bash -c "x -H \\"X-Api-Key: SECRET 123\\" u"', 'bash -c "x -H \\"X-Api-Key: [redacted]\\" u"'],
    ["it's one; PASSWORD=SECRET b", "it's one; PASSWORD=[redacted]"],
    ['run "--password" "SECRET 123" b', 'run "--password" [redacted] b'],
    ['x PASSWORD = SECRET123 b', 'x PASSWORD = [redacted] b'],
    ['tool --token \\\n  SECRET123 \\\n  -v', 'tool --token \\\n  [redacted] \\\n  -v'],
    ['tool --token\\\n  SECRET123\nb', 'tool --token\\\n  [redacted]\nb'],
    ['cd x\nPASSWORD=SECRET123 cmd\nb', 'cd x\nPASSWORD=[redacted]\nb'],
    ['user: x\n  password: correct horse\nhost: y', 'user: x\n  password: [redacted]\nhost: y'],
    ['user: x\npassword: |\n  SECRET123\n', 'user: x\npassword: [redacted]'],
    ['a=b\nkey=-----BEGIN PRIVATE KEY-----\nSECRET123\n', 'a=b\nkey=[redacted]'],
  ]
  for (const [script, shown] of cases) t.deepEqual(redact(['sh', '-c', script]), ['sh', '-c', shown])
})

test('JSON is redacted in one argument, split over arguments, and escaped', (t) => {
  check(t, [
    [
      ['x', '{"password":"SECRET123"}', 'b'],
      ['x', '{"password":[redacted]}', 'b'],
    ],
    [
      ['x', '{"password":"ab\\"SECRET123"}', 'b'],
      ['x', '{"password":[redacted]}', 'b'],
    ],
    [
      ['x', '{"password":', '"SECRET123"}', 'b'],
      ['x', '{"password":', '[redacted]', 'b'],
    ],
    [
      ['x', '{"password"', ':', '"SECRET123"}', 'b'],
      ['x', '{"password"', ':', '[redacted]', 'b'],
    ],
    [
      ['x', '{"password"', ':"SECRET123"}', 'b'],
      ['x', '{"password"', ':[redacted]', 'b'],
    ],
    [
      ['x', '{"password":"SECRET', '1', '23"}', 'b'],
      ['x', '{"password":[redacted]', '[redacted]', '[redacted]', 'b'],
    ],
    [
      ['x', '{"password":', '"SECRET', '123"}', 'b'],
      ['x', '{"password":', '[redacted]', '[redacted]', 'b'],
    ],
    [
      ['x', '{"passwords":["SECRET",', '"123"]}', 'b'],
      ['x', '{"passwords":[redacted]', '[redacted]', 'b'],
    ],
    [
      ['x', '{"body":"{\\"password\\":\\"SEC\\\\\\"RET123\\",\\"a\\":1}"}'],
      ['x', '{"body":"{\\"password\\":[redacted],\\"a\\":1}"}'],
    ],
    [
      ['x', '["login","--password","SECRET123","-v"]', '{"auth":{"user":"SECRET123"}}', '{password: SECRET 123, a: b}'],
      ['x', '["login","--password",[redacted],"-v"]', '{"auth":[redacted]', '{password: [redacted], a: b}'],
    ],
  ])
})

test('the user and the password of a URL are redacted', (t) => {
  const cases: [string, string][] = [
    ['postgres://user:pa/SECRET123@host/db', 'postgres://[redacted]@host/db'],
    ['postgres://user:pa/SECRET@123@host/db', 'postgres://[redacted]@host/db'],
    ['postgres://user:1/SECRET123@host/db', 'postgres://[redacted]@host/db'],
    ['postgres://user:p#SECRET?123@host/db', 'postgres://[redacted]@host/db'],
    ['postgres://user:SECRET 123@host/db', 'postgres://[redacted]@host/db'],
    ['postgres://:SECRET123@host/db', 'postgres://[redacted]@host/db'],
    ['https://SECRET123@host/x', 'https://[redacted]@host/x'],
    ['jdbc:mysql://u:SECRET123@host?password=SECRET123&a=b', 'jdbc:mysql://[redacted]@host?password=[redacted]&a=b'],
    ['--url=http://u:SECRET123@h --b=http://u:SECRET123@h', '--url=http://[redacted]@h --b=http://[redacted]@h'],
    ['curl "http://u:SECRET/123@h" c@d', 'curl "http://[redacted]@h" c@d'],
  ]
  for (const [text, shown] of cases) t.deepEqual(redact(['x', text]), ['x', shown])
})

test('common command lines are unchanged', (t) => {
  const lines: string[][] = [
    ['git', 'commit', '-m', 'fix password reset'],
    ['git', 'commit', '-m', 'tokens are renamed: the token cache, and the key of each'],
    ['git', 'log', '--author=me@example.com', '--since=12:30', 'HEAD~2..HEAD', '--', 'src/keys.ts'],
    ['git', 'clone', 'git@github.com:a/b.git', 'https://github.com/a/b'],
    ['docker', 'run', '-p', '80:8080', '-v', '/a:/b:ro', '--name=x', '-e', 'LANG=C', 'img@sha256:abcd'],
    ['ssh', '-o', 'StrictHostKeyChecking=no', '-i', '/home/me/.ssh/id_key', 'me@host', 'ls -l'],
    ['ssh-keygen', '-t', 'ed25519', '-f', 'key', '-C', 'me@host'],
    ['kubectl', 'get', 'secret', 'my-token', '-o', 'jsonpath={.data.a}'],
    ['gh', 'auth', 'login', '--hostname', 'github.com'],
    ['vault', 'token', 'lookup'],
    ['grep', '-rn', 'token', 'src', '--include=*.ts'],
    ['find', '.', '-name', '*.key', '-newer', 'pass.txt'],
    ['chmod', '600', 'server.key', 'server.crt'],
    ['make', '-j4', 'CC=gcc -O2', 'DESTDIR=/tmp/x', 'all'],
    ['node', '--max-old-space-size=4096', '--require', './x.js', 'main.js', '--port', '80'],
    ['npm', 'install', 'http://localhost:4873/@types/node', 'https://r.example/@a/b', '@types/node@20'],
    ['curl', '-fsSL', '-o', 'a', 'http://localhost:8080/x?mail=a@b.c', '-H', 'Accept: text/html, */*;q=0.8'],
    ['rsync', '-a', '--exclude=*.o', 'a/', 'me@host:/b'],
    ['sh', '-c', `for f in a b; do echo "$f: it's \${#f}" | sed 's/a=b/c/'; done; exit 3`],
    ['jq', '{"name": .name, "n": [1, 2]}', 'x.json'],
    ['psql', 'host=localhost dbname=x', '-c', "select 'a' as b where c = 1"],
    ['passwd', 'root'],
    ['cat', '/etc/passwd', 'b'],
    ['login', '--no-password', '--no-auth', 'x'],
    ['x', '--password-file', '/run/secrets/x', '--token-ttl=3600', '--keyring', 'k', '--monkey', 'm'],
    ['C:\\x.exe', '\\\\server\\share', "don't", '"', "'", '', '=', ':', ' ', '--', '-'],
  ]
  for (const argv of lines) t.deepEqual(redact(argv), argv)
})

test('text that looks like a confidential name and a value is redacted', (t) => {
  check(t, [
    [
      ['git', 'commit', '-m', 'auth: rename the cache'],
      ['git', 'commit', '-m', 'auth: [redacted]'],
    ],
    [
      ['grep', 'password', 'file'],
      ['grep', 'password', '[redacted]'],
    ],
    [
      ['sort', '--key', '2'],
      ['sort', '--key', '[redacted]'],
    ],
    [
      ['sh', '-c', 'PASSWORD=x cmd'],
      ['sh', '-c', 'PASSWORD=[redacted]'],
    ],
  ])
})

test('a secret without a name, a shape and a known program is not redacted, as the documentation says', (t) => {
  const lines = [
    ['tool', 'SECRET123'],
    ['tool', '-p', 'SECRET123'],
    ['ssh', '-p', '22', 'host'],
    ['tool', '<password>SECRET123</password>'],
  ]
  for (const argv of lines) t.deepEqual(redact(argv), argv)
})

const letterCase = (text: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => [...text].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter)).join(''))

const name = fc
  .tuple(
    fc.constantFrom('', 'db_', 'X-', 'app.', 'my'),
    fc
      .constantFrom('password', 'passwd', 'passphrase', 'token', 'secret', 'credentials', 'cookie', 'authorization')
      .chain(letterCase),
  )
  .map((parts) => parts.join(''))

/** A secret begins and ends with a unique marker, and has no quotes or spaces in between. */
const plain = fc
  .string({ unit: fc.constantFrom(...'ab1,;&=:/@#?{}[]()|<>%$!^~+*.-_'), maxLength: 8 })
  .map((s) => `§${s}§`)
/** A secret that may contain spaces and quotes. */
const wild = fc.string({ unit: fc.constantFrom(...`ab ,;&=:'"\`/@{}[]()\n\\`), maxLength: 8 }).map((s) => `§${s}§`)
const spaced = fc.string({ unit: fc.constantFrom(...`ab ,;&=:/@{}[]()`), maxLength: 8 }).map((s) => `§${s}§`)

const outer = fc.constantFrom('--env=', '--set=', '-c', '--header=', '-Da=b=', 'a: b=', '')
const separator = fc.constantFrom('=', ':', ': ', ' = ', '=  ')
const harmless = fc.constantFrom(
  'cmd',
  '-v',
  '--a=b',
  'http://h:80/x',
  'x; y',
  '{"a":"b"}',
  'é',
  '"q r"',
  'c,d',
  '--',
  '',
)

/** One or more arguments that carry a secret. */
const carriers: fc.Arbitrary<string[]> = fc.oneof(
  // The secret is an argument of its own.
  fc.tuple(outer, name, separator, wild).map((parts) => [parts.join('')]),
  fc.tuple(fc.constantFrom('-', '--'), name, wild).map(([dashes, of, secret]) => [dashes + of, secret]),
  fc.tuple(fc.constantFrom('-', '--'), name, plain).map(([dashes, of, secret]) => [dashes + of, `--${secret}`]),
  fc.tuple(name, separator, wild).map(([of, sep, secret]) => [of + sep.trim(), secret]),
  fc
    .tuple(fc.constantFrom('Authorization', 'authorization'), fc.constantFrom('Basic', 'bearer'), wild)
    .map(([of, scheme, secret]) => [`${of}:`, scheme, secret]),
  // The secret is in JSON.
  fc.tuple(name, wild).map(([of, secret]) => [JSON.stringify({ a: 1, [of]: secret, b: 'c' })]),
  fc.tuple(name, wild).map(([of, secret]) => [JSON.stringify({ a: { [of]: [secret, secret] } })]),
  fc.tuple(name, wild).map(([of, secret]) => [JSON.stringify({ body: JSON.stringify({ [of]: secret, a: 'b' }) })]),
  fc.tuple(name, spaced).map(([of, secret]) => JSON.stringify({ a: 'b', [of]: secret, c: 'd' }, null, 1).split('\n')),
  fc.tuple(name, spaced).map(([of, secret]) => `{"a":"b","${of}":"${secret}","c":"d"}`.split(' ')),
  fc.tuple(name, wild).map(([of, secret]) => [JSON.stringify(['x', `--${of}`, secret, 'y'])]),
  // The secret is in a script.
  fc
    .tuple(harmless, outer, name, fc.constantFrom('=', ':', ': '), plain, harmless)
    .map(([before, around, of, sep, secret, after]) => [`${before} x ${around}${of}${sep}'${secret}' ${after}`]),
  fc
    .tuple(harmless, fc.constantFrom('-', '--'), name, fc.constantFrom('"', "'"), spaced, harmless)
    .map(([before, dashes, of, quote, secret, after]) => [
      `${before} x ${dashes}${of} ${quote}${secret}${quote} ${after}`,
    ]),
  fc
    .tuple(harmless, outer, name, separator, fc.constantFrom('"', "'"), spaced, harmless)
    .map(([before, around, of, sep, quote, secret, after]) => [
      `${before} x ${quote}${around}${of}${sep}${secret}${quote} ${after}`,
    ]),
  fc
    .tuple(harmless, name, spaced)
    .map(([before, of, secret]) => [`${before} x ${of}=${secret.replace(/[^§\w]/g, '\\$&')} y`]),
  // The secret is on a line of its own.
  fc.tuple(name, fc.constantFrom(': ', '='), spaced).map(([of, sep, secret]) => [`a: b\n  ${of}${sep}${secret}\nc: d`]),
  // The secret is in a URL.
  fc
    .tuple(outer, plain, fc.constantFrom('/db', '', ':80/x'))
    .map(([around, secret, path]) => [`${around}postgres://user:p${secret.replace(/[?#]/g, '%')}@host${path}`]),
  fc.tuple(name, plain).map(([of, secret]) => [`https://h:80/x?a=b&${of}=${secret.replaceAll('&', '%')}&c=d`]),
)

test('a random secret in a covered form is always redacted', (t) => {
  const lists = fc.tuple(fc.array(harmless, { maxLength: 3 }), carriers, fc.array(harmless, { maxLength: 3 }))
  const property = fc.property(lists, ([before, carrier, after]) => {
    const shown = redact(['program', ...before, ...carrier, ...after])
    t.is(shown.length, 1 + before.length + carrier.length + after.length)
    return !shown.some((argument) => argument.includes('§'))
  })
  fc.assert(property, { numRuns: 5000 })
  t.pass()
})

test('any arguments can be redacted, and redacting twice changes nothing', (t) => {
  const pieces = fc.constantFrom(
    'a',
    'key',
    'token',
    '=',
    ':',
    ' ',
    '"',
    "'",
    '\\',
    ',',
    ';',
    '&',
    '{',
    '}',
    '[',
    '--',
    '://',
    '@',
  )
  const argument = fc.array(fc.oneof(pieces, fc.string({ maxLength: 2 })), { maxLength: 20 }).map((all) => all.join(''))
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 5 }), (argv) => {
      t.is(redact(argv).length, argv.length)
    }),
    { numRuns: 3000 },
  )
  for (const shown of ['{"token":[redacted],"name":"c"}', 'https://[redacted]@h/', 'x --token [redacted]; b']) {
    t.deepEqual(redact(['x', shown]), ['x', shown])
  }
})

/** A quadratic pass over one of them takes minutes. */
test('arguments of 1 MiB are redacted in linear time', (t) => {
  const units = `a = - : / " ' \` \\ é ( , [ @ a= a:// a. key d= monkey= kEy password token: &a=b x[ \\" \\\\" a'
    \\"\\\\\\" {"a": "password":"x", token='a "--key", a://b:c? a://b@ a:b@/ a://b:c@/? "token":[ {"key":`.split(/\s+/)
  units.push(
    ' ',
    '\n',
    'a b=',
    'key ',
    '--a ',
    '--token ',
    'password=x ',
    'token="a" ',
    'x key="',
    'Bearer ',
    'x auth: basic ',
  )
  for (const unit of units) {
    const argument = unit.repeat(2 ** 20 / unit.length)
    t.is(redact(['x', argument, `"x https://a:b${argument}`]).length, 3)
  }
  const many = units.map((unit) => Array.from({ length: 2 ** 15 }, () => unit))
  for (const argv of many) t.is(redact(argv).length, argv.length)
})
