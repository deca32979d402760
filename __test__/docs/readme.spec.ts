/** The documents: their code runs, their commands and options exist, and their links resolve. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ended, main } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { until } from '../support/helpers.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const scripts = new Set(Object.keys(manifest.scripts))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
/** The help of every command. */
const help = [[], ['run'], ['wait']]
  .map((words) => execFileSync(process.execPath, [main, ...words, '--help'], { encoding: 'utf8' }))
  .join('')

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
]

function blocks(language: string): string[] {
  const found = readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))
  return [...found].map(([, text]) => text!)
}

/** Declarations that a document's code presupposes, and an end for code without one. */
function asProgram(code: string): string {
  const given = {
    monitor: 'api.getProcessMonitor()',
    register: 'new Registry()',
    logger: '{ emit: (record) => record.eventName.startsWith("proc_events.") || process.exit(9) }',
    event: "{ type: 'exec', pid: 1, origin: 'kernel', timestampNs: 0, timeMs: 0, process: {} }",
    toOpenTelemetry: 'api.toOpenTelemetry',
    collectMonitorMetrics: "(await import('proc-events/prometheus')).collectMonitorMetrics",
  }
  const declares = (name: string): boolean =>
    new RegExp(`\\bconst ${name} =|\\bimport \\{[^}]*\\b${name}\\b`).test(code)
  const missing = Object.entries(given).filter(([name]) => !declares(name))
  return `import * as api from 'proc-events'
    import { Registry } from 'prom-client'
    const ender = api.getProcessMonitor()
    process.once('SIGTERM', async () => {
      while (ender.stats().references > 0) await ender.stop()
    })
    ${missing.map(([name, value]) => `const ${name} = ${value}`).join('\n')}
    await ender.initialize()
    console.error('begun')
    ${code}`
}

/** Runs code until its output is `enough`, then ends it. */
async function execute(
  t: ExecutionContext,
  code: string,
  enough: (stdout: string) => boolean = () => true,
): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', asProgram(code)], { cwd: root })
  t.teardown(() => child.kill('SIGKILL'))
  const over = ended(child)
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  await until('it has started or exited', () => stderr !== '' || child.exitCode !== null)
  await until('its output is complete', () => enough(stdout) || child.exitCode !== null)
  child.kill('SIGTERM')
  t.deepEqual([await over, stderr], [[0, null], 'begun\n'], code)
  return stdout
}

test('the first sample prints the output that the README shows', async (t) => {
  const [code] = blocks('js')
  const [reported] = blocks('text')
  const [, script] = /While `sh -c '(.*)'` runs/.exec(readme)!
  // Pids and times differ. Lines in between belong to other processes.
  const shape = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .map((line) => line.replace(/\d{2,}/g, 'N'))
  const printed = await execute(t, code!.replace('await monitor.initialize()', `$&\n${spawning(script!)}`), (stdout) =>
    /^exit \d+ 3 after \d+ ms$/m.test(stdout),
  )
  const lines = shape(printed)
  for (const line of shape(reported!)) {
    t.true(lines.includes(line), `${line}\n${printed}`)
    lines.splice(0, lines.indexOf(line) + 1)
  }
})

function spawning(script: string): string {
  return `import { spawn } from 'node:child_process'\nspawn('sh', ['-c', ${JSON.stringify(script)}], { stdio: 'ignore' })`
}

for (const [index, code] of blocks('js').slice(1).entries()) {
  test(`code of the README runs: ${index + 2}, ${code.slice(0, code.indexOf('(', 4))}`, async (t) => {
    await execute(t, code)
  })
}

test('the JSON block is an event as monitor.events() yields it', async (t) => {
  const [json] = blocks('json')
  const code = `import { spawn } from 'node:child_process'
    const monitor = api.getProcessMonitor()
    monitor.subscribeExit((pid, event) => console.log(JSON.stringify(event)), { name: 'false', capture: ['name', 'ppid'] })
    spawn('false')`
  const isOfChild = (line: string): boolean => line.includes('"exitCode":1')
  const printed = await execute(t, code, (stdout) => stdout.split('\n').some(isOfChild))
  const event = JSON.parse(printed.split('\n').find(isOfChild)!)
  const keys = (value: object): unknown[] =>
    Object.entries(value).map(([key, inner]) =>
      typeof inner === 'object' && inner !== null ? [key, keys(inner)] : key,
    )
  t.deepEqual(keys(JSON.parse(json!)), keys(event))
})

test('every code block has a language that is checked here', (t) => {
  const languages = [...readme.matchAll(/^```(.+)$/gm)].map(([, language]) => language!)
  t.true(languages.length >= 8)
  t.deepEqual(
    languages.filter((language) => !['js', 'json', 'sh', 'text'].includes(language)),
    [],
  )
})

test('every documented command and option exists', (t) => {
  const commands = blocks('sh').flatMap((text) => text.split('\n').filter(Boolean))
  t.true(commands.length > 5)
  for (const line of commands) {
    const words = line.replace(/\s#.*/, '').split('|')[0]!.trim().split(/\s+/)
    const [program, name, ...rest] = words[0] === 'proc-events' ? ['npx', ...words] : words
    if (program === 'npm' && name === 'install') t.deepEqual(rest, [manifest.name], line)
    else if (program === 'npm') t.true(scripts.has(name === 'run' ? rest[0]! : name!), line)
    else if (program === 'npx' && name === manifest.name) {
      const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
      for (const word of own.filter((it) => /^(--|[a-z]+$)/.test(it))) t.true(help.includes(word.split('=')[0]!), line)
    } else t.fail(`unknown command: ${line}`)
  }
})

test('every name in backticks exists', (t) => {
  const declared = readFileSync(join(root, 'index.d.ts'), 'utf8')
  for (const [, code] of readme.matchAll(/\b(ERR_[A-Z_]+)\b/g)) t.true(declared.includes(`'${code}'`), code)
  for (const [, script] of readme.matchAll(/`npm run (\w+)/g)) t.true(scripts.has(script!), script)
  for (const [, name] of readme.matchAll(/^\| `(\w+)\(/gm)) t.regex(declared, new RegExp(`\\b${name}[<(]`), name)
  for (const [, name] of readme.matchAll(/stats\(\)\.(\w+)/g)) t.regex(declared, new RegExp(`readonly ${name}:`), name)
  const metrics = readFileSync(join(root, 'src', 'integrations', 'metric-families.ts'), 'utf8')
  for (const [name] of readme.matchAll(/\bproc_events_\w+/g)) t.true(metrics.includes(`'${name}'`), name)
})

/** Returns the anchors of a document: GitHub's anchors of headings, and explicit ones. */
function anchors(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!)
  const seen = new Map<string, number>()
  const slugs = headings.map((heading) => {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set([...slugs, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!)])
}

for (const document of documents) {
  test(`links resolve: ${document}`, (t) => {
    const text = readFileSync(join(root, document), 'utf8')
    const prose = text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) {
        t.is(new URL(target!).protocol, 'https:', target)
        continue
      }
      const [path, anchor] = target!.split('#')
      const file = path === '' ? join(root, document) : join(root, dirname(document), path!)
      t.true(existsSync(file) && !relative(root, file).startsWith('..'), target)
      if (anchor !== undefined) t.true(anchors(readFileSync(file, 'utf8')).has(anchor), target)
    }
    t.pass()
  })
}

for (const folder of ['bench', 'scripts']) {
  test(`${folder}/README.md has a row for every file`, (t) => {
    const options = { cwd: join(root, folder), encoding: 'utf8' } as const
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], options)
      .split('\n')
      .filter(
        (file) => existsSync(join(root, folder, file)) && !/^(.*\/)?(README\.md|package.*\.json|\.npmrc|)$/.test(file),
      )
    const rows = [...readFileSync(join(root, folder, 'README.md'), 'utf8').matchAll(/^\| (`.*?`) \|/gm)]
    const named = rows.flatMap(([, names]) => [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
    const has = (file: string): boolean =>
      named.some((name) => (name.endsWith('/') ? file.startsWith(name) : file === name))
    t.deepEqual(
      files.filter((file) => !has(file)),
      [],
    )
    t.deepEqual(
      named.filter((name) => !name.startsWith('npm ') && !existsSync(join(root, folder, name))),
      [],
    )
  })
}

test('ARCHITECTURE.md names every source file, and no other', (t) => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const folders = ['crates/proc-events/src', 'crates/proc-events-napi/src', 'src']
  const named = new Set([...text.matchAll(/`([\w/.-]+\.(?:rs|ts))`/g)].map(([, name]) => name!))
  const folderRows = [...text.matchAll(/`((?:cli)\/\w+\/)`/g)].map(([, name]) => name!)
  const sources = folders.flatMap((folder) =>
    execFileSync('git', ['ls-files', folder], { cwd: root, encoding: 'utf8' })
      .split('\n')
      .filter((file) => /\.(rs|ts)$/.test(file) && !file.endsWith('/mod.rs') && existsSync(join(root, file)))
      .map((file) => file.slice(folder.length + 1)),
  )
  const isNamed = (file: string): boolean => named.has(file) || folderRows.some((row) => file.startsWith(row))
  t.deepEqual(
    sources.filter((file) => !isNamed(file)),
    [],
  )
  const exists = (name: string): boolean => [...folders, '.'].some((folder) => existsSync(join(root, folder, name)))
  t.deepEqual(
    [...named].filter((name) => !exists(name)),
    [],
  )
})
