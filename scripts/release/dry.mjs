// A release without the publishing: `npm run release:dry`. It builds every possible target, packs the packages, and installs
// the tarballs into an empty folder without a network and cargo. There, `import` and `require` watch a real process on
// every runtime, through every bundler, and in single executables. npm fetches only those tools. `--offline` skips them.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { say, step } from '../step.mjs'
import { machine } from '../toolchain.mjs'
import { build, whyNotBuildable } from './build.mjs'
import { bundlers, writeApplication } from './bundlers.mjs'
import { executables, recipe, tools } from './executables.mjs'
import { has, installOffline, installedPackages, installedSize, userEnvironment, watch } from './install.mjs'
import { isBuilt, packMain, packPlatform } from './pack.mjs'
import { wronglyChosen } from './registry.mjs'
import { emulated, fetching, musl, runtimes } from './runtimes.mjs'
import { hostTarget, manifest, targets } from './targets.mjs'

const { values } = parseArgs({ options: { offline: { type: 'boolean' }, 'keep-builds': { type: 'boolean' } } })
const work = mkdtempSync(join(tmpdir(), 'proc-events-release-'))
const notDone = []
let failed = false

try {
  const built = buildAll()
  const host = hostTarget()
  if (!built.includes(host)) throw new Error('no target was built that can be installed here')
  const packed = packAll(built)
  const home = installHere(packed, host)
  check(watch(`Node.js ${process.versions.node}`, [process.execPath], home, ['watch.cjs', 'watch.mjs']))
  await chooseByPlatform(packed, built)
  if (values.offline) notDone.push('other runtimes, bundlers and single executables: --offline')
  else {
    runElsewhere(home)
    runOnMusl(packed, built)
    runEmulated(packed, built)
    bundleAll(home)
    makeExecutables(home, host)
  }
  rmSync(home, { recursive: true })
} finally {
  rmSync(work, { recursive: true })
}
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

/** Creates a folder with npm packages of the registry, which is not published. */
function fetched(name, packages) {
  return fetchedBy(fetching(packages), name)
}

/** Creates a folder, and runs a command there that fetches something. */
function fetchedBy(command, name) {
  const folder = join(work, name.replaceAll(/\W+/g, '-'))
  mkdirSync(folder)
  const done = step(`Fetching ${name}`, machine, command, folder)
  if (!done) notDone.push(`${name}: ${command[0]} cannot fetch it`)
  return done ? folder : undefined
}

function runElsewhere(home) {
  for (const { name, install: wanted, command, programs: names } of runtimes) {
    const folder = fetched(name, [wanted])
    if (folder) check(watch(name, command(folder), home, names))
  }
}

/** Runs Node.js with musl as its C library, on a machine that may have another one. */
function runOnMusl(packed, built) {
  const target = built.find(({ cpu, libc }) => cpu === process.arch && libc === 'musl')
  if (!target) notDone.push(`${musl.name}: no binary was built`)
  else if (!existsSync(musl.loader)) notDone.push(`${musl.name}: ${musl.loader} is missing`)
  else {
    const folder = fetchedBy(musl.fetch, musl.name)
    if (!folder) return
    const home = install(packed, target, '--libc=musl', '--force')
    check(watch(musl.name, musl.command(folder), home, musl.programs))
    rmSync(home, { recursive: true })
  }
}

function runEmulated(packed, built) {
  for (const target of built.filter(({ cpu, libc }) => cpu !== process.arch && libc === 'glibc')) {
    const runtime = emulated[target.cpu]
    if (!has(runtime.emulator)) notDone.push(`${target.name} under an emulator: ${runtime.emulator} is missing`)
    else if (!process.env.QEMU_LD_PREFIX) notDone.push(`${target.name} under an emulator: QEMU_LD_PREFIX is not set`)
    else {
      const folder = fetched(runtime.name, [runtime.install])
      if (!folder) continue
      // --cpu selects only optional packages. Packages installed by name need --force.
      const home = install(packed, target, `--cpu=${target.cpu}`, '--force')
      check(watch(runtime.name, runtime.command(folder), home, runtime.programs))
      rmSync(home, { recursive: true })
    }
  }
}

function bundleAll(home) {
  const app = join(home, 'app')
  writeApplication(app)
  for (const { name, install: wanted, arguments: args, output } of bundlers) {
    const folder = fetched(name, wanted)
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
  const folder = fetched('what makes single executables', tools)
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

function kB(bytes) {
  return `${Math.round(bytes / 1000)} kB`
}
