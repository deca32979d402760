// The repository's root, a cargo that is new enough, and the PATH of all other commands.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')

const localBin = join(root, 'node_modules', '.bin')
const cargoBin = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'bin')
const inherited = (process.env.PATH ?? '').split(delimiter).filter((entry) => entry !== localBin)

/** Returns the environment without node_modules/.bin, because `npm ci` removes the Node.js in it. */
export const machine = { ...process.env, PATH: inherited.join(delimiter) }

/** Returns the environment with the project's tools first, among them the Node.js for ava, and with cargo. */
export function project() {
  const cargo = findCargo()
  const directories = [localBin, ...(cargo.directory ? [cargo.directory] : []), ...inherited]
  return { ...process.env, PATH: directories.join(delimiter) }
}

/**
 * Finds a cargo that can build the workspace. `directory` must be first in PATH, and is empty if cargo is in PATH already.
 * Without a cargo, `problem` is the reason in one line.
 */
export function findCargo() {
  const wanted = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))[1]
  let found
  for (const directory of [undefined, cargoBin]) {
    const cargo = directory ? join(directory, 'cargo') : 'cargo'
    const { status, stdout } = spawnSync(cargo, ['--version'], { cwd: root, env: machine, encoding: 'utf8' })
    const version = status === 0 ? /^cargo (\d+\.\d+(\.\d+)?)/.exec(stdout)?.[1] : undefined
    if (version && !isOlder(version, wanted)) return { directory }
    found ??= version
  }
  const how = 'See https://rustup.rs'
  return {
    problem: found
      ? `Rust ${found} is too old. The native addon needs Rust ${wanted} or newer. ${how}`
      : `Rust is not installed. The native addon needs Rust ${wanted} or newer. ${how}`,
  }
}

/** Returns true if one dotted version is lower than another. */
function isOlder(version, wanted) {
  const [left, right] = [version, wanted].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
