/** The configuration files in examples/. They are well-formed, and use only keys and options that exist. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse, parseAllDocuments } from 'yaml'
import { command, main } from '../support/cli-harness.ts'
import { root } from '../support/fake/facade.ts'
import { has } from '../support/load.ts'
import { run } from '../support/helpers.ts'

const read = (...path: string[]): string => readFileSync(join(root, 'examples', ...path), 'utf8')
const yaml = (...path: string[]): any => parse(read(...path), { strict: true, uniqueKeys: true })

const help = execFileSync(process.execPath, [main, '--help'], { encoding: 'utf8' })

function optionsExist(t: ExecutionContext, args: readonly string[]): void {
  const names = args.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0]!)
  t.true(names.length > 0)
  // A line of --help may list several options, each with its value.
  for (const name of names) t.regex(help, new RegExp(`^ +(--?[\\w-]+( [A-Z/1]+)?, )*${name}\\b`, 'm'), name)
}

/** The keys of all lines of `proc-events --json`, from the JSON Schema. Tests of the command compare it with its lines. */
function lineKeys(): string[] {
  const { $defs } = JSON.parse(readFileSync(join(root, 'schema', 'recording.schema.json'), 'utf8'))
  return ['start', 'event', 'loss', 'note', 'heartbeat', 'end'].flatMap((kind) => Object.keys($defs[kind].properties))
}

/** The configurations of the collector, with the receivers of their pipelines. */
const COLLECTORS = { 'journald.yaml': 'journald', 'file.yaml': 'file_log', 'gateway.yaml': 'otlp' } as const
const READERS = ['journald.yaml', 'file.yaml'] as const
const collector = (name: keyof typeof COLLECTORS): any => yaml('opentelemetry-collector', name)
const operatorsOf = (name: (typeof READERS)[number]): any[] => collector(name).receivers[COLLECTORS[name]].operators

test('the pipelines read only keys that the command writes', (t) => {
  const keys = lineKeys()
  const { source } = yaml('vector', 'vector.yaml').transforms.events
  const setThere = ['timestamp', 'failed', 'command', 'stream']
  const ofVector = [...source.matchAll(/(?<![\w.])\.([a-zA-Z]+)/g)].map(([, key]) => key!)
  t.true(ofVector.length > setThere.length)
  t.deepEqual(
    ofVector.filter((key) => !keys.includes(key) && !setThere.includes(key)),
    [],
  )
  for (const name of READERS) {
    const text = JSON.stringify(operatorsOf(name))
    const ofCollector = [...text.matchAll(/attributes\.(\w+)/g)].map(([, key]) => key!)
    t.true(ofCollector.length > 20)
    t.deepEqual(
      ofCollector.filter((key) => !keys.includes(key) && key !== 'severity'),
      [],
    )
  }
})

test('pipelines run the command with --redact or --no-args', (t) => {
  const [, unit] = /^ExecStart=proc-events (.*)$/m.exec(read('systemd', 'proc-events.service'))!
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

test('vector.yaml keeps the pid of events only, and stops reading if its buffer is full', (t) => {
  const { transforms, sinks } = yaml('vector', 'vector.yaml')
  // Vector adds the pid of the command to lines without a pid.
  const [, kinds] = /if includes\((\[.*\]), \.type\) \{ del\(\.pid\) \}/.exec(transforms.events.source)!
  const { $defs } = JSON.parse(readFileSync(join(root, 'schema', 'recording.schema.json'), 'utf8'))
  const withoutPid = Object.entries<any>($defs)
    .filter(([kind, { properties }]) => kind !== 'run' && properties?.type?.const && !properties.pid)
    .map(([kind]) => kind)
  t.deepEqual(JSON.parse(kinds!).toSorted(), withoutPid.toSorted())
  // drop_newest would drop events silently.
  t.is(sinks.pipeline.buffer.when_full, 'block')
})

test("the collectors' components are all defined and all used, and keep everything on disk", (t) => {
  for (const name of Object.keys(COLLECTORS) as (keyof typeof COLLECTORS)[]) {
    const { service, ...parts } = collector(name)
    for (const kind of ['receivers', 'processors', 'exporters']) {
      t.deepEqual((service.pipelines.logs[kind] ?? []).toSorted(), Object.keys(parts[kind] ?? {}).toSorted(), name)
    }
    t.deepEqual(service.extensions, Object.keys(parts.extensions))
    const { otlp_grpc: exporter } = parts.exporters
    t.like(exporter.sending_queue, { storage: 'file_storage', block_on_overflow: true })
    t.is(exporter.retry_on_failure.max_elapsed_time, 0)
    // A batch processor loses what it holds if the collector is killed.
    t.false('batch' in (parts.processors ?? {}))
    const receiver = parts.receivers[COLLECTORS[name]]
    if (COLLECTORS[name] === 'otlp') continue
    t.like(receiver, {
      storage: 'file_storage',
      start_at: 'beginning',
      retry_on_failure: { enabled: true, max_elapsed_time: 0 },
    })
  }
})

test("the collectors read the service's journal and files, by the names of the semantic conventions", (t) => {
  const { units, namespace } = collector('journald.yaml').receivers.journald
  t.is(read('systemd', units[0]).match(/^LogNamespace=(.*)$/m)?.[1], namespace)
  const [journal, file] = READERS.map(operatorsOf)
  // Both differ in the place of the line only.
  t.deepEqual(JSON.parse(JSON.stringify(journal).replaceAll('body.MESSAGE', 'body')), file)
  const used = /^(filter|json_parser|add|move|remove|retain|severity_parser)$/
  t.true(file!.every(({ type }: { type: string }) => used.test(type)))
  // Lines without a key, such as losses without a pid, are not moved.
  for (const { type, from, if: condition } of file!) if (type === 'move') t.is(condition, `${from} != nil`)
  const declared = readFileSync(join(root, 'index.d.ts'), 'utf8')
  const own = new Set(['process.real_user.name'])
  for (const { type, to } of file!) {
    if (type !== 'move') continue
    const [, attribute] = /^attributes\["([\w.]+)"\]$/.exec(to)!
    t.true(declared.includes(`'${attribute}'`) || own.has(attribute!), attribute)
    t.true(file!.find((operator: any) => operator.type === 'retain').fields.includes(to), to)
  }
})

test('systemd accepts the unit of the agent, and the unit is hardened', (t) => {
  const unit = read('systemd', 'proc-events.service')
  const [, program, args] = /^ExecStart=(\S+) (.*)$/m.exec(unit)!
  // systemd searches its own PATH. npm's prefix may be /usr or /usr/local.
  t.is(program, 'proc-events')
  optionsExist(t, args!.split(' '))
  // By default, systemd gives up after five starts within ten seconds.
  t.true(Number(/^RestartSec=(\d+)$/m.exec(unit)?.[1]) > 2)
  t.regex(unit, /^StartLimitIntervalSec=0$/m)
  // The command exits with 2 for wrong usage, and with 3 if it is not supported or not permitted here.
  t.regex(unit, /^RestartPreventExitStatus=2 3$/m)
  t.regex(unit, /^LogNamespace=proc-events$/m)
  checkUnit(t, 'proc-events.service')
})

test('systemd accepts the unit of the collector, and the unit is hardened', (t) => {
  const unit = read('systemd', 'otelcol.service')
  t.regex(unit, /^StateDirectory=otelcol$/m)
  t.regex(unit, /^SupplementaryGroups=systemd-journal$/m)
  t.regex(unit, /^StartLimitIntervalSec=0$/m)
  checkUnit(t, 'otelcol.service')
})

/** Lets systemd check a unit, with the program of the unit replaced by one that is installed. */
function checkUnit(t: ExecutionContext, name: string): void {
  if (!has(t, 'systemd-analyze')) return
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, name)
  writeFileSync(file, read('systemd', name).replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`))
  const analyze = (...words: string[]) => spawnSync('systemd-analyze', [...words, file], { encoding: 'utf8' })
  const verified = analyze('verify', '--man=no')
  t.deepEqual([verified.status, verified.stderr], [0, ''])
  const rated = analyze('security', '--offline=true', '--no-pager')
  // Older versions of systemd-analyze cannot rate a file.
  if (rated.status !== 0) return t.log(rated.stderr)
  const [, exposure] = /exposure level for \S+ (\d+\.\d)/.exec(rated.stdout)!
  t.log(`exposure ${exposure}`)
  t.true(Number(exposure) < 2, rated.stdout)
}

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
  const [agent, beside] = spec.containers
  optionsExist(t, agent.args)
  for (const { securityContext } of [agent, beside])
    t.like(securityContext, {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  t.regex(read('kubernetes', 'Dockerfile'), new RegExp(`^USER ${agent.securityContext.runAsUser}:`, 'm'))
  // The collector reads what the agent writes, also after it has been renamed.
  const output = agent.args.find((word: string) => word.startsWith('--output=')).slice('--output='.length)
  const env = Object.fromEntries(beside.env.map(({ name, value }: any) => [name, value]))
  t.is(env.PROC_EVENTS_FILES, output.replace('events.ndjson', '*.ndjson*'))
  const mounted = (container: any): string[] => container.volumeMounts.map(({ mountPath }: any) => mountPath)
  t.true(mounted(agent).includes(dirname(output)) && mounted(beside).includes(dirname(output)))
  t.true(mounted(beside).includes(env.STATE_DIRECTORY))
  const used = Object.keys(env).toSorted()
  const settings = [...read('opentelemetry-collector', 'file.yaml').matchAll(/\$\{env:(\w+)/g)].map(([, name]) => name!)
  t.deepEqual(used, [...new Set(settings)].filter((name) => name !== 'OTLP_INSECURE').toSorted())
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
  // The start of the recording comes before the first event, and so may a note that costs are unknown.
  const first = (): string | undefined => {
    const lines = watching.stdout.split('\n').slice(1, -1)
    return lines.find((line) => JSON.parse(line).type !== 'note')
  }
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
