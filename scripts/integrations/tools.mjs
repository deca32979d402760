// The services and what else the parts need, and how to get them.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { step } from '../step.mjs'
import { machine, project, root } from '../toolchain.mjs'
import { Skip } from './report.mjs'

const here = import.meta.dirname

/** The packages of npm that the parts need, in one folder. */
const NPM = [
  '@nats-io/transport-node@3',
  '@nats-io/jetstream@3',
  '@opentelemetry/sdk-logs@0.223',
  '@opentelemetry/api-logs@0.223',
  '@opentelemetry/exporter-logs-otlp-http@0.223',
  '@opentelemetry/resources@2',
]
const PYPI = ['kubernetes-validate', 'duckdb']
const NATS_SERVER = 'github.com/nats-io/nats-server/v2@v2.15.3'

export class Tools {
  #temporary = mkdtempSync(join(tmpdir(), 'proc-events-integrations-'))
  /** Outside of the repository: the collector takes minutes to build. */
  #cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'proc-events', 'integrations')

  constructor(installs) {
    this.installs = installs
    mkdirSync(join(this.#cache, 'bin'), { recursive: true })
  }

  #mounts = []

  /** Mounts a disk of 64 MB on a folder. */
  mountSmall(folder) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder])
    this.#mounts.push(folder)
  }

  close() {
    for (const folder of this.#mounts) execFileSync('umount', ['--lazy', folder])
    rmSync(this.#temporary, { recursive: true, force: true })
  }

  /** Creates an empty folder for a part. */
  folder(name) {
    return mkdtempSync(join(this.#temporary, `${name}-`))
  }

  /** Returns the path of a file, which `make` creates if `--install` is given. */
  #cached(file, what, make) {
    const path = join(this.#cache, file)
    if (existsSync(path)) return path
    if (!this.installs) throw new Skip(`${what} is missing. --install gets it`)
    if (!make(path) || !existsSync(path)) throw new Skip(`${what} cannot be got`)
    return path
  }

  #goBuild(title, args, options = {}) {
    const environment = { ...process.env, GOFLAGS: '', GOBIN: join(this.#cache, 'bin') }
    return step(title, environment, ['nice', '-n', '5', 'go', ...args], options.cwd ?? this.#cache)
  }

  /** An OpenTelemetry Collector with the components that the shipped configurations need. */
  get collector() {
    const recipe = join(here, 'collector', 'builder.yaml')
    // Another recipe is another collector.
    const version = /^ {2}version: (.*)$/m.exec(readFileSync(recipe, 'utf8'))[1]
    return this.#cached(`bin/otelcol-${version}`, 'the OpenTelemetry Collector', (path) => {
      const builder = join(this.#cache, 'bin', 'builder')
      const folder = join(this.#cache, 'collector')
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      const text = readFileSync(recipe, 'utf8')
      const copy = join(folder, 'builder.yaml')
      writeFileSync(copy, text.replace(/^dist:\n/m, `dist:\n  output_path: ${join(folder, 'source')}\n`))
      const modules = [...text.matchAll(/^ +- gomod: (\S+) (\S+)$/gm)].map(([, name, of]) => `\t${name} ${of}\n`)
      const get = ['install', `go.opentelemetry.io/collector/cmd/builder@v${version}`]
      if (!this.#goBuild('Building the builder of the collector', get)) return false
      const generate = [builder, '--config', copy, '--skip-get-modules', '--skip-compilation']
      if (!step('Generating the collector', process.env, generate)) return false
      modules.push(`\tgo.opentelemetry.io/collector/otelcol v${version}\n`)
      writeFileSync(
        join(folder, 'source', 'go.mod'),
        `module otelcol\n\ngo 1.25.0\n\nrequire (\n${modules.join('')})\n`,
      )
      const build = ['build', '-mod=mod', '-trimpath', '-ldflags', '-s -w', '-o', path, '.']
      return this.#goBuild('Building the collector (some 7 minutes)', build, { cwd: join(folder, 'source') })
    })
  }

  get natsServer() {
    return this.#cached('bin/nats-server', 'the NATS server', () =>
      this.#goBuild('Building the NATS server', ['install', NATS_SERVER]),
    )
  }

  /** A program that reads a dashboard of Grafana, strictly. */
  get dashboard() {
    const source = join(here, 'grafana')
    const version = /grafana-foundation-sdk\/go v(\S+)/.exec(readFileSync(join(source, 'go.mod'), 'utf8'))[1]
    return this.#cached(`bin/dashboard-${version}`, "Grafana's schema", (path) =>
      this.#goBuild("Building Grafana's schema", ['build', '-trimpath', '-o', path, '.'], { cwd: source }),
    )
  }

  /** The folder `node_modules` of the npm packages. */
  get npm() {
    return this.#cached('npm/node_modules', 'the packages of npm', (path) => {
      const folder = join(path, '..')
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
      const install = ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...NPM]
      return step('Getting packages of npm', machine, install, folder)
    })
  }

  /** The Python with the packages of PyPI. */
  get python() {
    return this.#cached('python/bin/python', 'the packages of PyPI', (path) => {
      const folder = join(path, '..', '..')
      return (
        step('Making a Python environment', machine, ['python3', '-m', 'venv', folder]) &&
        step('Getting packages of PyPI', machine, [join(folder, 'bin', 'pip'), 'install', '--quiet', ...PYPI])
      )
    })
  }

  /** A program that compiles and runs a transform of Vector. */
  get vrl() {
    const recipe = readFileSync(join(here, 'vrl', 'Cargo.toml'), 'utf8')
    const version = /^vrl = .*version = "([\d.]+)"/m.exec(recipe)[1]
    return this.#cached(`bin/vrl-${version}`, "Vector's language", (path) => {
      const source = join(here, 'vrl')
      const target = join(this.#cache, 'vrl')
      const build = ['nice', '-n', '5', 'cargo', 'build', '--quiet', '--manifest-path', join(source, 'Cargo.toml')]
      if (!step("Building Vector's language", project(), [...build, '--target-dir', target])) return false
      copyFileSync(join(target, 'debug', 'run-vrl'), path)
      chmodSync(path, 0o755)
      return true
    })
  }

  /** A program of a package of Debian. */
  debian(program, packageName) {
    const find = () => spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim()
    if (find() === '' && this.installs) {
      const apt = [
        'apt-get',
        '-o',
        'DPkg::Lock::Timeout=600',
        'install',
        '--yes',
        '--no-install-recommends',
        packageName,
      ]
      const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
      step('Reading the list of packages', environment, ['apt-get', '-o', 'DPkg::Lock::Timeout=600', 'update'])
      step(`Installing ${packageName}`, environment, apt)
    }
    const path = find()
    if (path === '') throw new Skip(`${program} is missing. --install gets the package ${packageName}`)
    return path
  }

  /** Installs the package as a user does, `npm install --global`. Returns the prefix. */
  #prefix
  get prefix() {
    if (this.#prefix !== undefined) return this.#prefix
    const prefix = this.folder('prefix')
    const install = [
      'npm',
      'install',
      '--global',
      '--prefix',
      prefix,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      root,
    ]
    if (!step('Installing the package', machine, install)) throw new Error('npm install --global')
    return (this.#prefix = prefix)
  }

  /** The environment in which `proc-events` is in PATH. */
  get environment() {
    return { ...machine, PATH: `${join(this.prefix, 'bin')}:${machine.PATH}` }
  }

  /** Copies examples to a folder, beside the packages that their first lines name. */
  application(name, packages, ...examples) {
    const folder = this.folder(name)
    for (const example of examples) cpSync(join(root, 'examples', example), join(folder, example), { recursive: true })
    const modules = join(folder, 'node_modules')
    mkdirSync(modules)
    for (const entry of readdirSync(packages)) symlinkSync(join(packages, entry), join(modules, entry))
    symlinkSync(root, join(modules, 'proc-events'))
    return folder
  }

  #load
  /** The load generators of the benchmarks and of the tests, the program that they start, the witness, and a folder for what they write. */
  get load() {
    if (this.#load !== undefined) return this.#load
    const folder = this.folder('load')
    const [load, end, tests, witness] = ['load', 'short', 'tests', 'witness'].map((name) => join(folder, name))
    // Some processes of the load have no rights.
    for (const path of [this.#temporary, folder]) chmodSync(path, 0o755)
    // Without a C library a program ends sooner, and two CPUs are enough for 5,000 a second and the services.
    for (const [from, to, ...more] of [
      [join(root, 'bench', 'load.c'), load, '-pthread'],
      [join(root, '__test__', 'support', 'load.c'), end, '-DEND=0', '-nostdlib'],
      [join(root, '__test__', 'support', 'load.c'), tests, '-pthread'],
      [join(here, 'witness.c'), witness],
    ]) {
      const made = spawnSync('cc', ['-O2', '-static', ...more, '-o', to, from], { encoding: 'utf8' })
      if (made.status !== 0) throw new Skip(`a C compiler is missing: ${made.stderr ?? made.error}`)
    }
    return (this.#load = { load, end, tests, witness, folder })
  }
}
