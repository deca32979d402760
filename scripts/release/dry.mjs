// A release without the publishing: `npm run release:dry`. It builds every possible target, packs the packages, and installs
// the tarballs into an empty folder without a network and cargo. There, `import` and `require` watch a real process on
// every runtime, through every bundler, and in single executables. npm and pip fetch only those. `--offline` skips them.
// `--keep-builds` builds only what is not built. `--write` writes the results to docs/runtimes.md.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { say, step } from '../step.mjs'
import { machine } from '../toolchain.mjs'
import * as archive from './archive.mjs'
import { build, whyNotBuildable } from './build.mjs'
import { bundlers, writeApplication } from './bundlers.mjs'
import { executables, recipe, tools } from './executables.mjs'
import { has, installOffline, installedPackages, installedSize, userEnvironment, watch } from './install.mjs'
import { isBuilt, packMain, packPlatform } from './pack.mjs'
import { wronglyChosen } from './registry.mjs'
import { writeResults } from './results.mjs'
import { everything, fetching, foreign, runtimes } from './runtimes.mjs'
import { hostTarget, manifest, targets } from './targets.mjs'

const { values } = parseArgs({
  options: { offline: { type: 'boolean' }, 'keep-builds': { type: 'boolean' }, write: { type: 'boolean' } },
})
const work = mkdtempSync(join(tmpdir(), 'proc-events-release-'))
const notDone = []
/** The results of each runtime. */
const ran = []
let failed = false

try {
  const built = buildAll()
  const host = hostTarget()
  if (!built.includes(host)) throw new Error('no target was built that can be installed here')
  const packed = packAll(built)
  const home = installHere(packed, host)
  run({ name: 'Node.js in PATH', binary: () => [process.execPath], programs: everything }, '', home, host)
  await chooseByPlatform(packed, built)
  if (values.offline) notDone.push('other runtimes, bundlers and single executables: --offline')
  else {
    runElsewhere(home, host)
    runForeign(packed, built, host)
    bundleAll(home)
    packArchive(home, host)
    makeExecutables(home, host)
  }
  rmSync(home, { recursive: true })
} finally {
  rmSync(work, { recursive: true })
}
if (values.write) writeResults(ran, notDone)
for (const line of notDone) say(`not done: ${line}`)
say(failed ? 'a check failed: do not release' : 'every check passed')
process.exitCode = failed ? 1 : 0

function check(succeeded) {
  if (!succeeded) failed = true
  return succeeded
}

/** Builds the targets that this machine has the tools for. Returns the targets with a binary. */
function buildAll() {
  return targets.filter((target) => {
    if (values['keep-builds'] && isBuilt(target)) return true
    const reason = whyNotBuildable(target)
    if (reason) {
      notDone.push(`${target.name}: ${reason}`)
      return false
    }
    return check(build(target))
  })
}

function packAll(built) {
  const packed = [packMain(work), ...built.map((target) => packPlatform(target, work))]
  for (const { name, size, unpackedSize } of packed) say(`${name}: ${kB(size)} packed, ${kB(unpackedSize)} unpacked`)
  return packed
}

function install(packed, target, ...flags) {
  const wanted = packed.filter(({ name }) => name === target.packageName || name === manifest.name)
  const tarballs = wanted.map(({ path }) => path)
  const home = installOffline(`Installing for ${target.name}`, tarballs, ...flags)
  if (!home) throw new Error('the packages could not be installed')
  return home
}

function installHere(packed, host) {
  const home = install(packed, host)
  if (has('cargo', ['--version'], userEnvironment(home))) notDone.push('hiding cargo: it is beside node or npm on PATH')
  const modules = join(home, 'app', 'node_modules')
  say(`installed: ${installedPackages(join(home, 'app')).join(', ')}; ${kB(installedSize(modules))}`)
  return home
}

async function chooseByPlatform(packed, built) {
  const complaints = await wronglyChosen(packed, built)
  for (const complaint of complaints) say(`installed by name for ${complaint}`)
  if (check(complaints.length === 0))
    say(`npm selects the right package for ${built.map(({ name }) => name).join(', ')}`)
}

/** Creates a folder with packages of a registry, which is not published. */
function fetched(name, command) {
  const folder = join(work, name.replaceAll(/\W+/g, '-'))
  mkdirSync(folder)
  const done = step(`Fetching ${name}`, machine, command, folder)
  if (!done) notDone.push(`${name}: ${command[0]} cannot fetch it`)
  return done ? folder : undefined
}

function runElsewhere(home, host) {
  for (const runtime of runtimes) {
    const folder = fetched(runtime.name, runtime.fetch)
    if (folder) run(runtime, folder, home, host)
  }
}

function runForeign(packed, built, host) {
  for (const target of built.filter((of) => of !== host)) {
    const runtime = foreign[target.name]
    const lacking = runtime ? runtime.lacking() : 'no runtime is known'
    if (lacking) {
      notDone.push(`running ${target.name}: ${lacking}`)
      continue
    }
    const folder = fetched(runtime.name, runtime.fetch)
    if (!folder) continue
    if (!versionOf(runtime.binary(folder))) {
      notDone.push(`running ${target.name}: ${runtime.name} does not start on this machine`)
      continue
    }
    const home = install(packed, target, ...runtime.flags)
    run(runtime, folder, home, target)
    rmSync(home, { recursive: true })
  }
}

/** Runs the programs of a runtime with the installed package of a target. */
function run({ name, binary, args = [], programs }, folder, home, target) {
  const version = versionOf(binary(folder)) ?? 'unknown'
  const command = [...binary(folder), ...args]
  const succeeds = (program) => check(watch(`${name} (${version})`, command, home, [program]))
  const results = programs.map((program) => [program, succeeds(program)])
  ran.push({ name, version, target: target.name, programs: Object.fromEntries(results) })
}

/** Returns the version of a runtime, or undefined if it does not start. */
function versionOf([command, ...args]) {
  const { stdout } = spawnSync(command, [...args, '--version'], { env: machine, encoding: 'utf8' })
  return /\d+\.\d+\.\d+[\w.-]*/.exec(stdout ?? '')?.[0]
}

function bundleAll(home) {
  const app = join(home, 'app')
  writeApplication(app)
  for (const { name, install: wanted, arguments: args, output } of bundlers) {
    const folder = fetched(name, fetching(wanted))
    if (!folder) continue
    const binary = join(folder, 'node_modules', '.bin', name)
    const env = { ...userEnvironment(home), NODE_PATH: join(folder, 'node_modules') }
    if (!check(step(`Bundling with ${name}`, env, [binary, ...args], app))) continue
    const bundle = readFileSync(join(app, output), 'utf8')
    if (!check(!bundle.includes('could not be loaded on'))) say(`${name}: the bundle contains the loader`)
    check(watch(`Bundled by ${name}`, [process.execPath], home, [output]))
  }
}

function makeExecutables(home, host) {
  const folder = fetched('what makes single executables', fetching(tools))
  if (!folder) return
  const [app, bin, env] = [join(home, 'app'), join(folder, 'node_modules', '.bin'), userEnvironment(home)]
  const binary = join(app, 'node_modules', host.packageName, host.file)
  for (const executable of executables) {
    const title = `Single executable, ${executable.name}`
    const { commands, file } = recipe(executable, app, bin, binary)
    const make = (command) => step(`${title}: ${basename(command[0])}`, env, command, app)
    check(commands.every(make) && step(title, env, [file], app))
  }
}

function packArchive(home, host) {
  const folder = fetched('the packer of Electron archives', fetching(archive.tools))
  if (!folder) return
  const { command, isUnpacked } = archive.recipe(join(home, 'app'), join(folder, 'node_modules', '.bin'), host)
  if (!check(step('Electron archive', userEnvironment(home), command, home))) return
  if (!check(isUnpacked())) say('Electron archive: the binary is not beside it')
}

function kB(bytes) {
  return `${Math.round(bytes / 1000)} kB`
}
