// The addon of a guest. For another processor it is built like a release if the tools are there, else by Debian's compilers.

import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { build, whyNotBuildable } from '../release/build.mjs'
import { hostTarget } from '../release/targets.mjs'
import { step } from '../step.mjs'
import { machine, root } from '../toolchain.mjs'
import { aptOf, emptyRoot, unpack } from './debian.mjs'

/** Debian's newest suite. Its Rust is new enough, and the same for each processor. */
const SUITES = ['sid']

const PACKAGES = [
  'rustc',
  'cargo',
  'gcc',
  'libc6-dev',
  'gcc-aarch64-linux-gnu',
  'libc6-dev-arm64-cross',
  'bash',
  'dash',
  'coreutils',
]

/** Returns the path of the addon for a target. */
export function addonOf(target, work, offline) {
  if (target === hostTarget()) return join(root, target.file)
  const reason = whyNotBuildable(target)
  if (!reason) {
    if (!build(target)) throw new Error(`${target.name} could not be built`)
    return join(root, target.folder, target.file)
  }
  if (target.cpu !== 'arm64' || process.arch !== 'x64') throw new Error(`no addon for ${target.name}: ${reason}`)
  if (process.getuid() !== 0)
    throw new Error(`no addon for ${target.name}: ${reason}, or run as root for Debian's compilers`)
  return buildByDebian(target, work, offline)
}

/** Builds in a root folder with Debian's Rust and its cross compiler. The mounts end with the command. */
function buildByDebian(target, work, offline) {
  const folder = join(work, 'compilers')
  if (!existsSync(join(folder, 'complete'))) {
    const apt = aptOf(join(work, 'apt-compilers'), 'amd64', SUITES, offline)
    emptyRoot(folder)
    for (const deb of apt.downloadAll(PACKAGES)) unpack(deb, folder)
    // The standard library for the other processor. Its package would want that processor's C library.
    const other = aptOf(join(work, 'apt-compilers-arm64'), 'arm64', SUITES, offline)
    unpack(other.download('libstd-rust-dev', join(work, 'download')), folder)
    for (const path of ['source', 'output', 'cargo/registry', 'tmp', 'dev', 'complete'])
      mkdirSync(join(folder, path), { recursive: true })
  }
  const script = [
    'cd "$1"; test -e usr/bin/cc || ln -s gcc usr/bin/cc; test -e usr/bin/sh || ln -s dash usr/bin/sh',
    'mount --bind "$2" source; mount --bind "$3" cargo/registry; mount --bind /dev dev',
    'exec chroot . /usr/bin/env -i HOME=/tmp PATH=/usr/bin CARGO_HOME=/cargo CARGO_TARGET_DIR=/output CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc bash -c "cd /source && cargo build --offline --locked --release -p proc-events-napi --target $4"',
  ].join('\n')
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry')
  const command = ['unshare', '-m', 'bash', '-ec', script, 'bash', folder, root, registry, target.triple]
  if (!step(`Building for ${target.name} by Debian's compilers`, machine, command))
    throw new Error(`${target.name} could not be built`)
  const file = join(work, target.file)
  cpSync(join(folder, 'output', target.triple, 'release', 'libproc_events_napi.so'), file)
  return file
}
