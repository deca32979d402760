// Builds a clone: npm packages, native addon, compiled TypeScript. It skips what is up to date, and then prints nothing. All
// output goes to stderr.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { packagesAreInstalled } from './packages.mjs'
import { say, step } from './step.mjs'
import { findCargo, machine, project, root } from './toolchain.mjs'

if (process.platform !== 'linux') {
  giveUp(`proc-events runs on Linux only: it listens to the Linux kernel, and this is ${process.platform}`)
}
if (Number.parseInt(process.versions.node, 10) < 20) {
  giveUp(`Node.js ${process.versions.node} is too old: proc-events needs Node.js 20 or newer`)
}

// Check for Rust first, because npm packages take a minute.
const addonIsBuilt = isUpToDate(addonFiles(), addonSources())
if (!addonIsBuilt) {
  const { problem } = findCargo()
  if (problem) giveUp(problem)
}

if (!packagesAreInstalled(root)) {
  run('Installing npm packages', machine, ['npm', 'ci', '--loglevel=error'])
}
if (!addonIsBuilt) {
  const build = 'napi build --platform --release --manifest-path crates/proc-events-napi/Cargo.toml'
  const output = '--output-dir . --no-js --dts native.d.ts'
  run('Building the native addon (some minutes the first time)', project(), `${build} ${output}`.split(' '))
}
const orphaned = orphans()
if (!isUpToDate(compiledFiles(), [...typeScriptFiles(), 'tsconfig.json']) || orphaned.length > 0) {
  // A file whose source is gone must not be published.
  for (const file of orphaned) rmSync(join(root, file))
  run('Compiling TypeScript', project(), ['tsc', '-p', 'tsconfig.json'])
}

function run(title, env, command) {
  if (!step(title, env, command)) process.exit(1)
}

function giveUp(reason) {
  say(reason)
  process.exit(1)
}

function addonFiles() {
  const addon = readdirSync(root).find((name) => name.startsWith(`proc-events.linux-${process.arch}-`))
  return [addon ?? 'proc-events.node', 'native.d.ts']
}

function addonSources() {
  const notBuiltIn = /(^|\/)(tests|benches|examples|fuzz|target)\//
  const sources = filesUnder('crates').filter((file) => !notBuiltIn.test(file))
  return [...sources, 'Cargo.toml', 'Cargo.lock', 'package.json']
}

function typeScriptFiles() {
  return ['index.ts', 'prometheus.ts', ...filesUnder('src').filter((file) => file.endsWith('.ts'))]
}

function compiledFiles() {
  return typeScriptFiles().flatMap((file) => ['.js', '.d.ts'].map((end) => `dist/${file.replace(/\.ts$/, end)}`))
}

/** The files in dist/ that no source is compiled to. */
function orphans() {
  const compiled = new Set(compiledFiles())
  return existsSync(join(root, 'dist')) ? filesUnder('dist').filter((file) => !compiled.has(file)) : []
}

/** Returns true if every output exists and none is older than the newest input. */
function isUpToDate(outputs, inputs) {
  const newest = Math.max(...inputs.map(changedAt).filter((time) => time !== undefined))
  return outputs.map(changedAt).every((time) => time !== undefined && time >= newest)
}

function changedAt(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs
}

/** Returns every file below a folder, as a path from the root. */
function filesUnder(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesUnder(path) : [path]
  })
}
