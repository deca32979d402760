/** The configuration files in examples/. They are well-formed, and use only keys and options that exist. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse, parseAllDocuments } from 'yaml'
import { command, main } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { has } from '../support/load.ts'
import { run, until } from '../support/helpers.ts'

const read = (...path: string[]): string => readFileSync(join(root, 'examples', ...path), 'utf8')
const yaml = (...path: string[]): any => parse(read(...path), { strict: true, uniqueKeys: true })

const help = execFileSync(process.execPath, [main, '--help'], { encoding: 'utf8' })

function optionsExist(t: ExecutionContext, args: readonly string[]): void {
  t.true(args.length > 0)
  for (const argument of args) t.regex(help, new RegExp(`^ +(--?[\\w-]+, )*${argument}\\b`, 'm'), argument)
}

/** The keys of an exit in `proc-events --json`. They include every key of an exec. */
async function eventKeys(t: ExecutionContext): Promise<string[]> {
  const watching = command(t, ['--json'])
  const exits = (pid: number): string[] => watching.of(pid).filter((line) => JSON.parse(line).type === 'exit')
  while (watching.stdout === '') await run('/bin/true')
  const last = await run('/bin/true')
  await until('the exit is reported', () => exits(last).length === 1)
  watching.child.kill('SIGTERM')
  await watching.ended
  return Object.keys(JSON.parse(exits(last)[0]!))
}

test('the pipelines read only keys that the command writes', async (t) => {
  const keys = await eventKeys(t)
  const { source } = yaml('vector', 'vector.yaml').transforms.events
  const setThere = ['timestamp', 'failed', 'command', 'stream']
  const ofVector = [...source.matchAll(/(?<![\w.])\.([a-zA-Z]+)/g)].map(([, key]) => key!)
  t.true(ofVector.length > setThere.length)
  t.deepEqual(
    ofVector.filter((key) => !keys.includes(key) && !setThere.includes(key)),
    [],
  )
  const { operators } = yaml('opentelemetry-collector', 'config.yaml').receivers.journald
  const ofCollector = [...JSON.stringify(operators).matchAll(/attributes\.(\w+)/g)].map(([, key]) => key!)
  t.true(ofCollector.length > 5)
  t.deepEqual(
    ofCollector.filter((key) => !keys.includes(key)),
    [],
  )
})

test('pipelines run the command with --redact or --no-args', (t) => {
  const [, unit] = /^ExecStart=\S+ (.*)$/m.exec(read('systemd', 'proc-events.service'))!
  const [, set] = parseAllDocuments(read('kubernetes', 'daemonset.yaml')).map((document) => document.toJS())
  const { command: vector } = yaml('vector', 'vector.yaml').sources.processes
  for (const args of [unit!.split(' '), set.spec.template.spec.containers[0].args, vector]) {
    t.true(args.includes('--redact') || args.includes('--no-args'), args.join(' '))
  }
})

test('vector.yaml runs the command and connects its components', (t) => {
  const { sources, transforms, sinks, ...others } = yaml('vector', 'vector.yaml')
  t.deepEqual(others, {})
  const [name, ...args] = sources.processes.command
  t.is(name, 'proc-events')
  optionsExist(t, args)
  t.like(sources.processes, { type: 'exec', mode: 'streaming', decoding: { codec: 'json' }, include_stderr: false })
  const known = Object.keys({ ...sources, ...transforms })
  for (const { inputs } of Object.values<{ inputs: string[] }>({ ...transforms, ...sinks })) {
    t.deepEqual(
      inputs.filter((input) => !known.includes(input)),
      [],
    )
  }
})

test("the collector's components are all defined, all used, and read the service's log", (t) => {
  const { service, ...parts } = yaml('opentelemetry-collector', 'config.yaml')
  for (const kind of ['receivers', 'processors', 'exporters']) {
    t.deepEqual(service.pipelines.logs[kind].toSorted(), Object.keys(parts[kind]).toSorted())
  }
  const { units, operators } = parts.receivers.journald
  t.true(existsSync(join(root, 'examples', 'systemd', units[0])))
  t.true(operators.every(({ type }: { type: string }) => /^(filter|json_parser|add|move|remove)$/.test(type)))
  // The names of the semantic conventions, as the package uses them.
  const declared = readFileSync(join(root, 'index.d.ts'), 'utf8')
  for (const [, attribute] of JSON.stringify(operators).matchAll(/attributes\[\\"(process\.[\w.]+)\\"\]/g)) {
    t.true(declared.includes(`'${attribute}'`), attribute)
  }
})

test('systemd accepts the unit, and the unit is hardened', (t) => {
  const unit = read('systemd', 'proc-events.service')
  const [, program, args] = /^ExecStart=(\S+) (.*)$/m.exec(unit)!
  t.regex(program!, /\/proc-events$/)
  optionsExist(t, args!.split(' '))
  // By default, systemd gives up after five starts within ten seconds.
  t.true(Number(/^RestartSec=(\d+)$/m.exec(unit)?.[1]) > 2)
  // The command exits with 3 if it is not supported or not permitted here.
  t.regex(unit, /^RestartPreventExitStatus=3$/m)
  if (!has(t, 'systemd-analyze')) return
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'proc-events.service')
  writeFileSync(file, unit.replace(program!, process.execPath))
  const analyze = (...words: string[]) => spawnSync('systemd-analyze', [...words, file], { encoding: 'utf8' })
  const verified = analyze('verify', '--man=no')
  t.deepEqual([verified.status, verified.stderr], [0, ''])
  const rated = analyze('security', '--offline=true', '--no-pager')
  // Older versions of systemd-analyze cannot rate a file.
  if (rated.status !== 0) return t.log(rated.stderr)
  const [, exposure] = /exposure level for \S+ (\d+\.\d)/.exec(rated.stdout)!
  t.log(`exposure ${exposure}`)
  t.true(Number(exposure) < 2, rated.stdout)
})

test('the DaemonSet sees the host and has no further rights', (t) => {
  const documents = parseAllDocuments(read('kubernetes', 'daemonset.yaml'), { strict: true })
  t.deepEqual(
    documents.flatMap(({ errors }) => errors),
    [],
  )
  const [namespace, set] = documents.map((document) => document.toJS())
  t.is(set.metadata.namespace, namespace.metadata.name)
  const { metadata, spec } = set.spec.template
  t.like(spec, { hostPID: true, hostNetwork: true, automountServiceAccountToken: false })
  t.deepEqual(metadata.labels, set.spec.selector.matchLabels)
  const [container] = spec.containers
  optionsExist(t, container.args)
  t.like(container.securityContext, {
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  t.regex(read('kubernetes', 'Dockerfile'), new RegExp(`^USER ${container.securityContext.runAsUser}:`, 'm'))
  if (!has(t, 'kubectl')) return
  // Without a server, kubectl only parses and prints the objects, and drops unknown fields.
  const args = ['label', '--local', '--dry-run=client', '--output=json', 'any=label', '--filename=-']
  for (const document of [namespace, set]) {
    const copy = JSON.parse(execFileSync('kubectl', args, { input: JSON.stringify(document), encoding: 'utf8' }))
    t.like(copy, document)
  }
})

test('the command works with the rights of the DaemonSet and of the unit', async (t) => {
  // Other users do not have these capabilities in the first place.
  const isRoot = process.getuid!() === 0
  if (isRoot && !has(t, 'setpriv')) return
  const rights = [
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    '--inh-caps=-all',
  ]
  const watching = command(t, ['--json'], isRoot ? { by: (words) => ['setpriv', ...rights, ...words] } : {})
  // The start of the recording comes before the first event.
  const first = (): string | undefined => watching.stdout.split('\n').slice(1, -1)[0]
  while (first() === undefined && watching.child.exitCode === null) await run('/bin/true')
  if (watching.child.exitCode !== null) {
    // On a kernel older than 6.6 the command reports the missing permission.
    t.regex(watching.stderr, /ERR_PERMISSION|CAP_NET_ADMIN/)
    return
  }
  t.is(JSON.parse(first()!).origin, 'kernel')
  watching.child.kill('SIGTERM')
  await watching.ended
})

test('every example is in the list', (t) => {
  const list = read('README.md')
  for (const name of readdirSync(join(root, 'examples'))) {
    if (name !== 'README.md') t.true(list.includes(`](${name})`), name)
  }
})
