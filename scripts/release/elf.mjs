// Reads the requirements of a binary with `readelf`: libraries, versions of their symbols, undefined symbols. `readelf` is in
// binutils, which Rust's linker needs anyway.

import { spawnSync } from 'node:child_process'

const WANTED = ['--file-header', '--section-headers', '--dynamic', '--version-info', '--dyn-syms']
const MACHINES = { 'Advanced Micro Devices X86-64': 'x64', AArch64: 'arm64' }

/** Reads the ELF file at a path. Throws if there is none. */
export function readElf(path) {
  const options = { env: { ...process.env, LC_ALL: 'C' }, encoding: 'utf8', maxBuffer: 1 << 28 }
  const { status, error, stdout, stderr } = spawnSync('readelf', ['--wide', ...WANTED, path], options)
  if (error) throw new Error(`readelf: ${error.message}. Install binutils.`)
  if (status !== 0) throw new Error(stderr.trim())
  const all = (pattern) => [...stdout.matchAll(pattern)].map(([, found]) => found)
  const [machine] = all(/^ +Machine: +(.+)$/gm)
  return {
    cpu: MACHINES[machine] ?? machine,
    sections: all(/^ +\[ *[1-9]\d*\] (\S+)/gm),
    libraries: all(/\(NEEDED\) +Shared library: \[(.+)\]$/gm),
    /** `GLIBC_2.17` and the like. The symbols of musl have no version. */
    versions: all(/ Name: (\S+) +Flags: /g),
    undefinedSymbols: all(/ UND ([^\s@]+)/g),
  }
}

/** Returns the newest glibc that a binary requires, such as [2, 17], or undefined if it requires none. */
export function newestGlibc({ versions }) {
  return versions
    .filter((version) => /^GLIBC_\d/.test(version))
    .map((version) => version.slice('GLIBC_'.length).split('.').map(Number))
    .sort(([a, b], [c, d]) => a - c || b - d)
    .at(-1)
}
