/** The forms of docs/redaction.md: each example is hidden in every place, and common command lines stay readable. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { redactSecrets } from '../../dist/index.js'
import { root } from '../support/fake/facade.ts'

const page = readFileSync(join(root, 'docs/redaction.md'), 'utf8')

/** The cells of the tables below a heading. */
function rows(heading: string): string[][] {
  const section = page.split('\n## ').find((text) => text.startsWith(heading))!
  const lines = section.split('\n').filter((line) => line.startsWith('| '))
  return lines.slice(1).map((line) => line.slice(2, -2).split(' | '))
}

function codes(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
}

/** Splits a command line like a shell. `\n` is a line break. */
function words(line: string): string[] {
  const found = line.matchAll(/(?:"([^"]*)"|'([^']*)'|[^\s'"])+/g)
  return [...found].map(([word]) => word.replace(/^(["'])(.*)\1$/s, '$2').replaceAll('\\n', '\n'))
}

const names = rows('By name').map(([, example]) => words(codes(example!)[0]!))
const programs = rows('By program').flatMap(([called, examples]) =>
  codes(called!).flatMap((program) => codes(examples!).map((example) => [program, ...words(example)])),
)
const tokens = rows('By shape').flatMap(([, prefixes, count, example]) =>
  codes(prefixes!).map((prefix) => prefix + codes(example!)[0]!.repeat(Number(count)).slice(0, Number(count))),
)

function isHidden(argv: readonly string[], secret = 'SECRET'): boolean {
  return !redactSecrets(argv).some((argument) => argument.includes(secret))
}

test('each example of the documentation is redacted', (t) => {
  t.true(names.length > 30 && programs.length > 120 && tokens.length > 90)
  for (const argv of [...names, ...programs]) {
    t.true(argv.join(' ').includes('SECRET'))
    t.true(isHidden(argv), JSON.stringify(redactSecrets(argv)))
  }
  for (const token of tokens)
    t.deepEqual(redactSecrets(['x', token]), ['x', token.replace(/^(Bearer )?.*$/, '$1[redacted]')])
})

test('each name of the documentation is confidential, in any case, with a prefix, and as an option', (t) => {
  const listed = page
    .split('\n## ')[1]!
    .split('\n| form')[0]!
    .replace(/So `API_KEY`.*not\./s, '')
  const all = codes(listed).filter((name) => /^[\w.-]+$/.test(name))
  t.true(all.length > 50)
  for (const name of all) {
    const isAssigned = name === 'sig' || name === 'signature'
    for (const one of [name, name.toUpperCase(), `my_${name}`, `X-${name}`]) {
      if (one.includes('.')) continue
      t.true(isHidden(['x', `http://h/?a=b&${one}=§`], '§'), one)
      t.true(isHidden(['x', `${one}=§`], '§'), one)
      if (!isAssigned) t.true(isHidden(['x', `--${one}`, '§', `-${one}=§`, `${one}: §`], '§'), one)
    }
  }
})

test('a token that is too short is not redacted', (t) => {
  const short = tokens.filter((token) => !/^(?:sk-|ops_)/.test(token)).map((token) => ['x', token.slice(0, -1)])
  for (const argv of short) t.deepEqual(redactSecrets(argv), argv)
})

test('a token is redacted in every place, and what stands around it stays', (t) => {
  for (const token of tokens.filter((text) => !text.startsWith('Bearer '))) {
    for (const [before, after] of [
      ['', ''],
      ['"', '"'],
      ['--x=', ''],
      ['a b ', ' c'],
      ['http://h:80/', '?a'],
      ["sh -c 'echo ", "'"],
      ['{"a":"', '"}'],
      ['\ud800', '\udfff'],
      ['é\0', '\0'],
    ] as const) {
      t.deepEqual(redactSecrets(['x', before + token + after]), ['x', `${before}[redacted]${after}`])
    }
  }
})

test('a program is recognized by path, extension, version and case, after wrappers, and in scripts', (t) => {
  const lines = [
    ['/usr/bin/mysql', '-pSECRET'],
    ['C:\\bin\\CURL.EXE', '-u', 'me:SECRET'],
    ['mysql8.4', '-pSECRET'],
    ['sudo', '-u', 'root', 'mysql', '-uroot', '-pSECRET', 'db'],
    ['env', 'A=b', 'timeout', '5s', 'http', '-a', 'me:SECRET', 'h'],
    ['ssh', 'host', 'mysql', '-pSECRET'],
    ['docker', 'exec', 'db', 'mysqldump', '-pSECRET', 'x'],
    ['sshpass', '-p', 'SECRET', 'mysql', '-pSECRET'],
    ['curl', '-o', 'mysql', '-u', 'me:SECRET'],
    ['sh', '-c', 'mysql -u root -pSECRET db'],
    ['sh', '-c', 'cd /; curl -u "me:SECRET SECRET" http://x'],
    ['sh', '-c', 'ssh host \'mysql -p"SECRET SECRET" db\''],
    ['sh', '-c', 'sh -c "sh -c \\"curl -u me:SECRET u\\""'],
    ['sh', '-c', 'a=$(curl -u me:SECRET u) && b'],
    ['sh', '-c', 'a=`curl -u me:SECRET u`'],
    ['ssh', '-o', 'ProxyCommand="sshpass -p SECRET ssh h"', 'x'],
    ['sh', '-c', 'curl \\\n  -u me:SECRET \\\n  http://x'],
    ['sh', '-c', 'PATH=/x sudo redis-cli -a SECRET get a | jq'],
  ]
  for (const argv of lines) t.true(isHidden(argv), JSON.stringify(redactSecrets(argv)))
})

test('encoded names and values are redacted', (t) => {
  const texts = [
    'password%3DSECRET',
    'PASS%57ORD=SECRET%26SECRET',
    'a%3Db%26token%3DSECRET',
    '%22password%22%3A%22SECRET%22',
    'x?q=http%3A%2F%2Fu%3ASECRET%40h%2F',
    'redirect=https%253A%252F%252Fh%252F%253Ftoken%253DSECRET',
    'é%41=b&p%61ssword=SECRET',
    '%&%4&%zz&password%3DSECRET',
  ]
  for (const text of texts) t.true(isHidden(['x', text]), redactSecrets(['x', text])[1])
  t.deepEqual(redactSecrets(['x', '100%25 of a%20b', '%', '%4']), ['x', '100%25 of a%20b', '%', '%4'])
  t.true(isHidden(['x', `a%3Dghp_${'SECRET'.repeat(6)}`]))
})

test('a private key is redacted to its end, which may be in a later argument', (t) => {
  const [begin, end] = ['-----BEGIN RSA PRIVATE KEY-----', '-----END RSA PRIVATE KEY-----']
  t.deepEqual(redactSecrets(['x', `${begin}\nSECRET\n${end}\nb`]), ['x', `${begin}[redacted]${end}\nb`])
  t.deepEqual(redactSecrets(['x', begin, 'SECRET', 'SECRET', end, 'b']).slice(-4), [
    '[redacted]',
    '[redacted]',
    '[redacted]',
    'b',
  ])
  t.true(isHidden(['x', ...`${begin} SECRET ${end}`.split(' ')]))
  t.true(isHidden(['x', `${begin}\nSECRET`, 'SECRET']))
  const certificate = ['x', '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----']
  t.deepEqual(redactSecrets(certificate), certificate)
})

test('command lines without a secret are unchanged', (t) => {
  const lines = [
    'ssh-keygen -t ed25519 -f id -C me',
    'sort -k2 file',
    'sort -t: -k1,1 -u file',
    'git commit -m "fix token parser"',
    'git commit -m "the bearer of bad news"',
    'python tokenize.py keyboard',
    'psql --no-password-check base',
    'login --no-password-check keyboard',
    'ssh -p 22 me@host',
    'ssh -p2222 host uptime',
    'docker run -p 80:80 -u 1000:1000 mysql',
    'docker run --user 1000:1000 -p 3306:3306 mysql:8.4 --port=3306',
    'docker run --name redis -p 6379:6379 redis:7 redis-server --appendonly yes',
    'mysql -u root -p base',
    'mysql -h db -P 3306 -u root',
    'curl -sSfL -o out https://example.com/a?b=c',
    'curl -u me https://h/',
    'mkdir -p a/b',
    'cp -p a b',
    'tar -C /tmp -xpf a.tar',
    'grep -a http -A 3 -P x.log',
    'rsync -a -u --port=22 a:b c:d',
    'nmap -p 1-100 -A host',
    'ps -u root -p 1',
    'top -u me -p 12',
    'sudo -u me -p prompt ls',
    'chown -R 1000:1000 /data',
    'dotnet build /p:Configuration=Release /p:Platform=x64',
    'sqlplus / as sysdba',
    'sqlplus @/tmp/x.sql',
    'zip -r a.zip dir',
    '7z x a.7z -oout',
    'openssl x509 -in a.pem -noout',
    'useradd -m -s /bin/sh me',
    'apt-get install curl mysql-client -y',
    'man 1 curl',
    'kubectl get pods -n kube-system -o wide',
    'systemctl status ssh',
    'node --inspect=0.0.0.0:9229 disk-usage-of-all-mounted-file-systems-in-a-cluster.js',
    'npm run task-with-a-long-name-that-is-no-key-at-all',
    'pip install scikit-learn==1.5.0 sk-video',
    'cargo test --test tokens',
    'echo AKIDS 1//2 hf_x SG.x npm_config eyJ ghp_ glpat-',
    'date +%Y-%m-%d%20%H',
    'awk {print$1} file',
    'java -Xmx2g -cp a.jar:b.jar Main',
    'git clone https://github.com/a/b?tab=readme#install',
    'md5sum 0123456789abcdef0123456789abcdef',
    'git show 0123456789abcdef0123456789abcdef01234567',
    'docker pull a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    'kill -9 0b57a5a1-1111-4222-8333-444455556666',
  ].map(words)
  for (const argv of lines) t.deepEqual(redactSecrets(argv), argv)
})

test('any text is accepted: empty, NUL, lone surrogates', (t) => {
  for (const text of ['', '\0', '\ud800', '\udc00%41', '%ff', '-', '/', '/p', '/p:', '"', '\\']) {
    t.deepEqual(redactSecrets([text, text]), [text, text])
    t.true(isHidden(['x', `${text}`, '--password', `SECRET${text}`]))
    t.true(isHidden(['curl', text, '-u', `me:SECRET${text}`]))
  }
  const argv = Object.freeze(['x', '--token', 'SECRET'])
  t.deepEqual(redactSecrets(argv), ['x', '--token', '[redacted]'])
})

/** Letters in another case mean the same in names; options of programs keep theirs. */
const anyCase = (text: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => [...text].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter)).join(''))

const around = fc.constantFrom('a', '-v', '--a=b', 'http://h:80/', 'x.txt', '', 'é', '80:80', 'LANG=C', '[b]')

test('a random secret after the option of a program is redacted in every place, and in scripts', (t) => {
  const options = programs.filter(([program]) => !/^(?:htpasswd|wpa|radtest|rabbit|sqlplus|expdp|impdp)/.test(program!))
  const secret = fc.string({ unit: fc.constantFrom(...'ab1.,@#+~%^'), maxLength: 8 }).map((text) => `§${text}§`)
  const lists = fc.record({
    example: fc.constantFrom(...options),
    wrapper: fc.constantFrom([], ['sudo'], ['env', 'A=b'], ['timeout', '5'], ['nohup']),
    before: fc.array(around, { maxLength: 3 }),
    after: fc.array(around, { maxLength: 3 }),
    value: secret,
    quote: fc.constantFrom('', '"', "'"),
  })
  const property = fc.property(lists, ({ example, wrapper, before, after, value, quote }) => {
    const [program, ...rest] = example.map((word) => word.replace('SECRET', () => value))
    const argv = [...wrapper, program!, ...before, ...rest, ...after]
    const script = argv.map((word) => (word.includes('§') || word === '' ? `${quote}${word}${quote}` : word)).join(' ')
    return (
      isHidden(argv, '§') && isHidden(['sh', '-c', script], '§') && isHidden(['sh', '-c', `cd /; ${script} | cat`], '§')
    )
  })
  fc.assert(property, { numRuns: 5000 })
  t.pass()
})

test('a random secret in an example of the names is redacted in any case, quoting and place', (t) => {
  const carriers = names.filter((argv) =>
    /(?:password|token|api_key|Api-Key|passphrase)\W*SECRET/i.test(argv.join(' ')),
  )
  const secret = fc
    .string({ unit: fc.constantFrom(...'ab1.@#+~%^/:'), maxLength: 8 })
    .map((text) => `§${text.replaceAll('@', '_')}§`)
  const lists = fc
    .record({ example: fc.constantFrom(...carriers), before: fc.array(around), after: fc.array(around), value: secret })
    .chain(({ example, before, after, value }) =>
      fc
        .tuple(...example.map((word) => (/%/.test(word) ? fc.constant(word) : anyCase(word))))
        .map((cased) => [...before, 'x', ...cased.map((word) => word.replaceAll(/SECRET/gi, () => value)), ...after]),
    )
  fc.assert(
    fc.property(lists, (argv) => isHidden(argv, '§')),
    { numRuns: 3000 },
  )
  t.pass()
})

/** The least time of several runs, in milliseconds. */
function duration(argument: string): number {
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now()
    redactSecrets(['x', argument])
    return performance.now() - begin
  })
  return Math.min(...times)
}

test('the end of an argument that is longer than the kernel allows is hidden', (t) => {
  const limit = 131_072
  const plain = 'x'.repeat(8 * limit)
  t.deepEqual(redactSecrets(['tool', plain, 'a']), ['tool', plain, 'a'])
  const text = 'a b '.repeat(limit)
  t.deepEqual(redactSecrets(['tool', text, 'a']), ['tool', `${text.slice(0, limit)}[redacted]`, 'a'])
  const [, cut] = redactSecrets(['tool', `--password=hunter2 ${text} --token=hunter2`])
  t.false(cut!.includes('hunter2'))
  t.deepEqual(redactSecrets(['tool', `${text} --password`, 'hunter2']).at(-1), '[redacted]')
})

test('anything but an array of strings is refused', (t) => {
  const sparse: string[] = []
  sparse[1] = 'x'
  for (const wrong of ['curl -u a:b', null, [1], sparse, { 0: 'a' }]) {
    t.throws(() => redactSecrets(wrong as never), { code: 'ERR_INVALID_ARG_TYPE' }, JSON.stringify(wrong))
  }
})

test('the time grows with the length, not with its square', (t) => {
  const units = [
    ...tokens.map((token) => token.slice(0, 4)),
    'curl -u ',
    'mysql -p',
    '-----BEGIN PRIVATE',
    'bearer ',
    '%41',
  ]
  units.push(
    '%2525',
    'a "b \\"c ',
    `a "b' c" d' `,
    '$(a ',
    '` a',
    'jdbc:oracle:thin:a/',
    'a;PWD={',
    'a;PWD={a}};',
    '/p: ',
  )
  units.push(
    '-----BEGIN PRIVATE KEY-----',
    'https://u:p@h:1/?',
    'http://h:80/?token=',
    'eyJa.',
    '\ud800',
    '\\\n',
    "it's a ",
  )
  units.push('mysql "curl ', 'zip ', 'curl -sSu', 'redis-cli \\\\\\" ')
  for (const unit of new Set(units)) {
    const size = (length: number): string => unit.repeat(length / unit.length)
    const ratio = duration(size(2 ** 17)) / duration(size(2 ** 14))
    // Linear: 8. Quadratic: 64.
    t.true(ratio < 32, `${JSON.stringify(unit)}: ${ratio}`)
  }
})
