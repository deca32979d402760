// Builds the addon for other platforms and for old systems: `node scripts/release/build.mjs [linux-arm64-musl …]`. Without
// arguments it builds all targets. cargo-zigbuild links against an old glibc instead of this machine's.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { say, step } from '../step.mjs'
import { project, root } from '../toolchain.mjs'
import { newestGlibc, readElf } from './elf.mjs'
import { OLDEST_GLIBC, targets } from './targets.mjs'

/** The size above which a binary is looked at: some 100 kB more than the last one. */
const MOST_BYTES = 1_200_000

/** The functions of Node-API that create values outside of V8's memory. */
const EXTERNAL = /(napi|node_api)_create_external_(\w*buffer|string)/

/** The libraries that every Linux with that libc has. libgcc_s is not among them, because some images lack it. */
const LIBRARIES = {
  glibc: /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|ld-linux-.*)$/,
  musl: /^(libc\.so|libc\.musl-.*)$/,
}

if (process.argv[1] === import.meta.filename) {
  const names = process.argv.slice(2)
  const chosen = names.length > 0 ? names.map((name) => targets.find((target) => target.name === name)) : targets
  if (chosen.includes(undefined)) {
    say(`expected targets: ${targets.map(({ name }) => name).join(', ')}`)
    process.exit(2)
  }
  process.exitCode = chosen.map(build).includes(false) ? 1 : 0
}

/** Builds one target's binary into its package. Returns true if that succeeded. */
export function build(target) {
  const { triple, name, libc, folder, file } = target
  rmSync(join(root, folder, file), { force: true })
  const env = { ...project() }
  // Link musl dynamically, because Node.js already has a libc. Rust's default is static.
  if (libc === 'musl') env.RUSTFLAGS = `${env.RUSTFLAGS ?? ''} -C target-feature=-crt-static`.trim()
  const wanted = libc === 'glibc' ? `${triple}.${OLDEST_GLIBC}` : triple
  const command = ['cargo', 'zigbuild', '--locked', '--release', '-p', 'proc-events-napi', '--target', wanted]
  if (!step(`Building for ${name}`, env, command)) return false
  const output = join(env.CARGO_TARGET_DIR ?? join(root, 'target'), triple, 'release', 'libproc_events_napi.so')
  const problems = complaints(output, target)
  for (const problem of problems) say(`${name}: ${problem}`)
  if (problems.length > 0) return false
  copyFileSync(output, join(root, folder, file))
  return true
}

/** Returns in one line what this machine lacks to build a target, or undefined. */
export function whyNotBuildable({ triple }) {
  const env = project()
  const run = (command, args) => spawnSync(command, args, { cwd: root, env, encoding: 'utf8' })
  if (run('cargo-zigbuild', ['--version']).status !== 0) return 'cargo-zigbuild is missing'
  // With build-std, cargo builds the standard library, so no target needs to be installed.
  if (env.CARGO_UNSTABLE_BUILD_STD) return undefined
  const { status, stdout } = run(env.RUSTC ?? 'rustc', ['--print', 'target-libdir', '--target', triple])
  return status === 0 && existsSync(stdout.trim()) ? undefined : `rustup target add ${triple}`
}

/** Returns the reasons against publishing a binary: an empty list if there are none. */
export function complaints(path, { cpu, libc }) {
  const elf = readElf(path)
  const { size } = statSync(path)
  const strangers = elf.libraries.filter((library) => !LIBRARIES[libc].test(library))
  const [, minor] = newestGlibc(elf) ?? [2, 0]
  const oldest = libc === 'glibc' ? Number(OLDEST_GLIBC.split('.')[1]) : 0
  return [
    elf.cpu === cpu ? '' : `is for ${elf.cpu}`,
    size < MOST_BYTES ? '' : `has ${size} bytes`,
    strangers.length === 0 ? '' : `needs ${strangers.join(', ')}`,
    minor <= oldest ? '' : `needs glibc 2.${minor}`,
    elf.sections.includes('.symtab') || elf.sections.includes('.debug_info') ? 'is not stripped' : '',
    // Electron rejects external buffers, because its V8 keeps buffers in a memory cage. Without the name, the binary can
    // neither import such a function nor look it up at run time.
    EXTERNAL.test(readFileSync(path, 'latin1')) ? 'makes external buffers or strings' : '',
  ].filter(Boolean)
}
