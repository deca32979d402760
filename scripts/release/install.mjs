// Installing as users do: into an empty folder, from tarballs, without a compiler, and without this machine's npm settings.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { step } from '../step.mjs'
import { machine } from '../toolchain.mjs'

const programs = join(import.meta.dirname, 'programs')

/** A new folder with nothing in it but a package.json. */
export function emptyProject() {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-app-'))
  mkdirSync(join(folder, 'app'))
  writeFileSync(join(folder, 'app', 'package.json'), '{ "private": true }\n')
  return folder
}

/** The environment of a user who has Node.js and npm, and an empty cache; no Rust. */
export function userEnvironment(home) {
  const path = machine.PATH.split(delimiter).filter((directory) => !existsSync(join(directory, 'cargo')))
  const kept = Object.entries(machine).filter(([name]) => !/^(npm_|cargo|rust|node_options)/i.test(name))
  const settings = { npm_config_cache: join(home, 'cache'), npm_config_audit: 'false', npm_config_fund: 'false' }
  return { ...Object.fromEntries(kept), ...settings, PATH: path.join(delimiter), HOME: home }
}

/**
 * Installs tarballs alone, and puts programs/ beside them: npm has no network and an empty cache, so anything else would
 * fail. Returns the folder; undefined if that failed.
 */
export function installOffline(title, tarballs, ...flags) {
  const home = emptyProject()
  const cwd = join(home, 'app')
  const command = ['npm', 'install', '--offline', '--loglevel=error', ...flags, ...tarballs]
  if (!step(title, userEnvironment(home), command, cwd)) return undefined
  for (const program of readdirSync(programs)) copyFileSync(join(programs, program), join(cwd, program))
  return home
}

/** Runs programs where the package is installed. Returns whether all succeeded. */
export function watch(title, command, home, names) {
  const [cwd, env] = [join(home, 'app'), userEnvironment(home)]
  return names.map((name) => step(`${title}, ${name}`, env, [...command, name], cwd)).every(Boolean)
}

/** What installing has put into node_modules, in bytes of files. */
export function installedSize(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => lstatSync(join(folder, path)))
    .reduce((bytes, entry) => bytes + (entry.isFile() ? entry.size : 0), 0)
}

/** The names of what is installed in a project, but for npm's own notes. */
export function installedPackages(project) {
  const modules = join(project, 'node_modules')
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((of) => `${name}/${of}`) : name))
}

/** Whether a command can be run at all. */
export function has(command, args = ['--version'], env = machine) {
  return spawnSync(command, args, { env, stdio: 'ignore' }).status === 0
}
