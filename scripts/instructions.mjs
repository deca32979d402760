// Counts the core's instructions per event, and compares them with bench/instructions.json. A work that exceeds its noted
// count by more than the tolerance fails. `--update` writes the new counts, and `--table` prints them.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { say, step } from './step.mjs'
import { project, root } from './toolchain.mjs'

// The tolerance in per cent, with the same compiler and C library, and with other ones.
const TOLERANCE = { same: 5, other: 25 }
/** Disables CPU features, so that the C library chooses the same memcpy on every x86-64. */
const TUNABLES = 'glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-BMI2,-RTM'
/** The minimum number of events of a count. */
const EVENTS = 2000

const env = { ...project(), GLIBC_TUNABLES: TUNABLES }
const file = join(root, 'bench', 'instructions.json')
const program = join(root, 'target', 'release', 'proc-events-benches')
const wants = (option) => process.argv.includes(`--${option}`)

process.exitCode = main()

function main() {
  const noted = JSON.parse(readFileSync(file, 'utf8'))
  const missing = reasonAgainst(noted)
  if (missing) {
    say(`instructions are not counted: ${missing}`)
    return 0
  }
  const build = ['cargo', 'build', '--release', '--package', 'proc-events-benches']
  if (!step('Building the counted program', project(), build)) return 1
  const counted = { ...circumstances(), works: countAll() }
  if (wants('update')) writeFileSync(file, `${JSON.stringify(counted, undefined, 2)}\n`)
  else if (wants('table')) table(counted.works)
  else return compare(noted, counted)
  return 0
}

/** Returns the reason why nothing can be counted or compared here, or undefined. */
function reasonAgainst({ machine }) {
  if (!env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'valgrind')))) {
    return 'valgrind is not installed'
  }
  if (!wants('update') && process.arch !== machine) return `they are noted for ${machine}, and this is ${process.arch}`
  return undefined
}

/** Returns the versions outside of this repository that the counts depend on. */
function circumstances() {
  const { stdout } = spawnSync('rustc', ['--version'], { cwd: root, env, encoding: 'utf8' })
  const { glibcVersionRuntime = 'another' } = process.report.getReport().header
  return { machine: process.arch, compiler: /[\d.]+/.exec(stdout)?.[0] ?? 'unknown', libc: glibcVersionRuntime }
}

/** Returns the instructions per event by the name of the work. */
function countAll() {
  const works = run([program, 'works']).stdout.trim().split('\n')
  return Object.fromEntries(
    works.map((line) => {
      const [name, events] = line.split(' ')
      const times = Math.ceil(EVENTS / events)
      // The difference excludes the start and the end, which are in both counts.
      const instructions = countOne(name, 2 * times) - countOne(name, times)
      return [name, Math.round(instructions / times / events)]
    }),
  )
}

function countOne(name, times) {
  const tool = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null']
  const { stderr } = run([...tool, program, 'count', name, String(times)])
  const instructions = /Collected : (\d+)/.exec(stderr)?.[1]
  if (instructions === undefined) throw new Error(`valgrind did not count: ${stderr}`)
  return Number(instructions)
}

function run([command, ...args]) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error ?? stderr}`)
  return { stdout, stderr }
}

function table(works) {
  const width = Math.max(...Object.keys(works).map((name) => name.length))
  for (const [name, count] of Object.entries(works)) console.log(`${name.padEnd(width)}  ${String(count).padStart(6)}`)
}

/** Returns the exit code: 1 if a work exceeds its noted count by more than the tolerance. */
function compare(noted, counted) {
  const isSame = ['compiler', 'libc'].every((what) => noted[what] === counted[what])
  const tolerance = isSame ? TOLERANCE.same : TOLERANCE.other
  let failed = 0
  for (const name of new Set([...Object.keys(noted.works), ...Object.keys(counted.works)])) {
    const [before, now] = [noted.works[name], counted.works[name]]
    const more = 100 * (now / before - 1)
    if (Math.abs(more) <= tolerance) continue
    if (!(more < 0)) failed = 1
    say(`${name}: ${now ?? 'no'} instructions per event, expected ${before ?? 'none'} (bench/instructions.json)`)
  }
  const how = isSame ? '' : `, with another compiler or C library (${counted.compiler}, ${counted.libc})`
  say(`instructions per event: ${failed ? 'not ' : ''}within ${tolerance} % of bench/instructions.json${how}`)
  if (failed) say('If this change is intended, run: node scripts/instructions.mjs --update')
  return failed
}
