// The platforms there are prebuilt binaries for: package.json lists them, and all that differs between them is concluded
// from their names here.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'

/** package.json as it is committed. */
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Rust's names of architectures are not Node.js's. */
const CPUS = { x86_64: 'x64', aarch64: 'arm64' }

/** CentOS 7's, and the oldest that Rust itself supports. */
export const OLDEST_GLIBC = '2.17'

/** Every target, as npm's os, cpu and libc name it. */
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
    /** From the root. */
    folder: `npm/${name}`,
    file: `${manifest.napi.binaryName}.${name}.node`,
  }
})

/** The target this Node.js can load. */
export function hostTarget() {
  // Its report names glibc where it is there; musl has no version to ask for.
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return targets.find(({ os, cpu, libc: of }) => os === process.platform && cpu === process.arch && of === libc)
}
