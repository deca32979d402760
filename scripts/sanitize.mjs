// Runs the core's tests under Miri, ThreadSanitizer, and AddressSanitizer with LeakSanitizer. If this machine
// lacks something for a tool, the script skips it and prints the reason. Any report of a tool fails the script.
//
// ThreadSanitizer needs a standard library that is built with it, and therefore the library's source in exactly the
// compiler's version. SANITIZE_RUSTC is another compiler to try first.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { say, step } from './step.mjs'
import { project, root } from './toolchain.mjs'

const MINUTES_MAX = 10
const PACKAGE = ['--package', 'proc-events']
/** All tests of the core except property tests, which are slow and take the same paths. */
const TESTS = ['lib', 'reader', 'hung', 'pipeline', 'table', 'faults']
/** Tests that leak their fixture on purpose, because they borrow it for the whole program. */
const LEAKS_ON_PURPOSE = 'pipeline'
/** The pure modules. They make no system call, which Miri does not emulate. */
const PURE = [
  'connector::wire::',
  'connector::bpf::',
  'connector::drop_counter::',
  'process::',
  'delivery::',
  'procfs::parse::',
]

const env = { ...project(), RUSTC_BOOTSTRAP: '1', PROC_EVENTS_SEEDS: '0..200' }
const began = Date.now()
const compilers = findCompilers()

// Run all tools, or the named ones.
const tools = { miri, thread: threads, address: addresses }
const named = process.argv.slice(2)
const results = Object.entries(tools).flatMap(([name, tool]) =>
  named.length === 0 || named.includes(name) ? [tool()] : [],
)
const ran = results.filter((result) => result !== undefined)
say(`${ran.filter(Boolean).length} of ${results.length} ran without a report, ${results.length - ran.length} skipped`)
process.exitCode = ran.includes(false) ? 1 : 0

function miri() {
  const how = 'rustup toolchain install nightly --component miri --component rust-src'
  const { status } = ask('cargo', '+nightly', 'miri', '--version')
  if (status !== 0) return skip('Miri', `the nightly toolchain has no Miri (${how})`)
  // Miri is some hundred times slower. It needs access to the machine's files and clocks.
  const flags = { MIRIFLAGS: '-Zmiri-disable-isolation', CARGO_TARGET_DIR: join(root, 'target', 'miri') }
  const cargo = ['cargo', '+nightly', 'miri', 'test', ...PACKAGE]
  return (
    run('Miri, unit tests of the pure modules', flags, [...cargo, '--lib', '--', ...PURE]) &&
    run('Miri, table', flags, [...cargo, ...selected(['table'])]) &&
    run('Miri, pipeline', { ...flags, MIRIFLAGS: `${flags.MIRIFLAGS} -Zmiri-ignore-leaks` }, [
      ...cargo,
      ...selected([LEAKS_ON_PURPOSE]),
    ])
  )
}

function threads() {
  const how = 'rustup toolchain install nightly --component rust-src; on Debian: apt-get install rustc-web rust-web-src'
  const compiler = compilers.find(({ source }) => source)
  if (compiler === undefined) return skip('ThreadSanitizer', `no compiler has its library's source (${how})`)
  const runtime = runtimeFor('tsan', compiler)
  if (runtime === undefined) return skip('ThreadSanitizer', 'no toolchain of rustup has librustc-*_rt.tsan.a')
  return sanitized('ThreadSanitizer', 'thread', compiler, runtime, ['-Zbuild-std'])
}

function addresses() {
  const compiler = compilers.find((it) => it.runtimes.asan)
  if (compiler === undefined) {
    return skip('AddressSanitizer', 'no toolchain has librustc-*_rt.asan.a (rustup toolchain install nightly)')
  }
  return sanitized('AddressSanitizer and LeakSanitizer', 'address', compiler, compiler.runtimes.asan, [])
}

/** Runs the tests compiled for a sanitizer. Returns true if they succeeded without a report. */
function sanitized(title, sanitizer, compiler, runtime, flags) {
  const own = Object.values(compiler.runtimes).includes(runtime)
  // A distribution's compiler lacks the runtime. The runtime of another toolchain with the same LLVM fits. It needs that
  // toolchain's linker, because GNU's linker does not find all of its symbols.
  const linker = join(runtime, '..', '..', 'bin', 'gcc-ld')
  const foreign = [
    '-Zexternal-clangrt',
    ...[`-B${linker}`, '-fuse-ld=lld', '-Wl,--whole-archive', runtime, '-Wl,--no-whole-archive', '-lm', '-lc'].map(
      (argument) => `-Clink-arg=${argument}`,
    ),
  ]
  const settings = {
    RUSTC: compiler.rustc,
    RUSTDOC: compiler.rustc.replace(/rustc$/, 'rustdoc'),
    RUSTFLAGS: [`-Zsanitizer=${sanitizer}`, '-Cdebuginfo=1', ...(own ? [] : foreign)].join(' '),
    CARGO_TARGET_DIR: join(root, 'target', 'sanitize', sanitizer),
    ASAN_OPTIONS: 'detect_leaks=1',
    TSAN_OPTIONS: 'halt_on_error=1',
  }
  const test = ['cargo', 'test', '--no-fail-fast', ...flags, '--target', compiler.host, ...PACKAGE]
  const cargo = (tests) => [...test, ...selected(tests), '--', '--test-threads=2']
  if (sanitizer === 'thread') return run(title, settings, cargo(TESTS))
  const others = TESTS.filter((name) => name !== LEAKS_ON_PURPOSE)
  const both = [
    run(title, settings, cargo(others)),
    run(
      `AddressSanitizer alone, ${LEAKS_ON_PURPOSE}`,
      { ...settings, ASAN_OPTIONS: 'detect_leaks=0' },
      cargo([LEAKS_ON_PURPOSE]),
    ),
  ]
  return !both.includes(false)
}

function selected(tests) {
  return tests.flatMap((test) => (test === 'lib' ? ['--lib'] : ['--test', test]))
}

/** Runs one step, and ends it at the time limit of all steps. */
function run(title, settings, command) {
  const left = Math.max(1, Math.round(MINUTES_MAX * 60 - (Date.now() - began) / 1000))
  return step(title, { ...env, ...settings }, ['timeout', '--kill-after=5', String(left), ...command])
}

function skip(tool, reason) {
  say(`${tool}: skipped: ${reason}`)
  return undefined
}

function ask(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, env, encoding: 'utf8' })
  return { status, stdout: stdout?.trim() ?? '' }
}

/** Returns the compilers of this machine, and the sanitizer parts that each has. */
function findCompilers() {
  const toolchains = ['nightly', 'stable'].map((name) => ask('rustup', 'which', '--toolchain', name, 'rustc').stdout)
  const paths = [process.env.SANITIZE_RUSTC, ...toolchains, '/usr/bin/rustc'].filter((path) => path && existsSync(path))
  return paths.map((rustc) => {
    const sysroot = ask(rustc, '--print', 'sysroot').stdout
    const version = ask(rustc, '-vV').stdout
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(version)?.[1] ?? ''
    const host = field('host')
    const libraries = join(sysroot, 'lib', 'rustlib', host, 'lib')
    const files = existsSync(libraries) ? readdirSync(libraries) : []
    const runtime = (name) => {
      const file = files.find((it) => it.endsWith(`_rt.${name}.a`))
      return file && join(libraries, file)
    }
    return {
      rustc,
      host,
      llvm: Number.parseInt(field('LLVM version'), 10),
      source: existsSync(join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library', 'Cargo.lock')),
      runtimes: { asan: runtime('asan'), tsan: runtime('tsan') },
    }
  })
}

/** Returns a sanitizer's runtime: the compiler's own, or that of another compiler with the same LLVM. */
function runtimeFor(name, { runtimes, llvm }) {
  return runtimes[name] ?? compilers.find((it) => it.llvm === llvm && it.runtimes[name])?.runtimes[name]
}
