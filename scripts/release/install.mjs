// Installs like a user: into an empty folder, from tarballs, without a compiler, and without this machine's npm settings.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { step } from '../step.mjs'
import { machine } from '../toolchain.mjs'

const programs = join(import.meta.dirname, 'programs')

/** Creates a folder with only a package.json. */
export function emptyProject() {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-app-'))
  mkdirSync(join(folder, 'app'))
  writeFileSync(join(folder, 'app', 'package.json'), '{ "private": true }\n')
  return folder
}

/** Returns the environment of a user with Node.js, npm and an empty cache, but without Rust. */
export function userEnvironment(home) {
  const path = machine.PATH.split(delimiter).filter((directory) => !existsSync(join(directory, 'cargo')))
  const kept = Object.entries(machine).filter(([name]) => !/^(npm_|cargo|rust|node_options)/i.test(name))
  const settings = { npm_config_cache: join(home, 'cache'), npm_config_audit: 'false', npm_config_fund: 'false' }
  return { ...Object.fromEntries(kept), ...settings, PATH: path.join(delimiter), HOME: home }
}

/**
 * Installs only tarballs, and copies programs/ beside them. npm has no network and an empty cache, so that any other package
 * would fail. Returns the folder, or undefined on failure.
 */
export function installOffline(title, tarballs, ...flags) {
  const home = emptyProject()
  const cwd = join(home, 'app')
  const command = ['npm', 'install', '--offline', '--loglevel=error', ...flags, ...tarballs]
  if (!step(title, userEnvironment(home), command, cwd)) return undefined
  for (const program of readdirSync(programs)) copyFileSync(join(programs, program), join(cwd, program))
  return home
}

/** Runs programs in a folder with the installed package. Returns true if all succeeded. */
export function watch(title, command, home, names) {
  const [cwd, env] = [join(home, 'app'), userEnvironment(home)]
  return names.map((name) => step(`${title}, ${name}`, env, [...command, name], cwd)).every(Boolean)
}

/** Returns the size of the files in node_modules, in bytes. */
export function installedSize(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => lstatSync(join(folder, path)))
    .reduce((bytes, entry) => bytes + (entry.isFile() ? entry.size : 0), 0)
}

/** Returns the names of the installed packages. */
export function installedPackages(project) {
  const modules = join(project, 'node_modules')
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((of) => `${name}/${of}`) : name))
}

/** Returns true if a command can be run. */
export function has(command, args = ['--version'], env = machine) {
  return spawnSync(command, args, { env, stdio: 'ignore' }).status === 0
}
