// The platforms with prebuilt binaries. package.json lists them, and this file derives their differences from their names.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'

/** The committed package.json. */
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Node.js's names of architectures by Rust's names. */
const CPUS = { x86_64: 'x64', aarch64: 'arm64' }

/** The glibc of CentOS 7, and the oldest that Rust supports. */
export const OLDEST_GLIBC = '2.17'

/** Every target with npm's os, cpu and libc. */
export const targets = manifest.napi.targets.map((triple) => {
  const [machine, , os, abi] = triple.split('-')
  const cpu = CPUS[machine]
  const name = `${os}-${cpu}-${abi}`
  return {
    triple,
    name,
    os,
    cpu,
    libc: abi === 'musl' ? 'musl' : 'glibc',
    packageName: `@proc-events/${name}`,
    /** The folder of the package, relative to the root. */
    folder: `npm/${name}`,
    file: `${manifest.napi.binaryName}.${name}.node`,
  }
})

/** The target that this Node.js can load. */
export function hostTarget() {
  // The report has a glibc version only on glibc. musl has no version.
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return targets.find(({ os, cpu, libc: of }) => os === process.platform && cpu === process.arch && of === libc)
}
