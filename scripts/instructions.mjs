// Counts the instructions that the core takes for an event, and holds them against bench/instructions.json: a work that
// takes noticeably more than is noted there fails. `--update` notes what was counted, `--table` prints it.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { say, step } from './step.mjs'
import { project, root } from './toolchain.mjs'

// Per cent that may be more: counted as the noted ones were; and with another compiler or C library, which is code of
// others that has changed.
const TOLERANCE = { same: 5, other: 25 }
/** The C library chooses its memcpy by the CPU, but not so: every x86-64 has what is left. */
const TUNABLES = 'glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-BMI2,-RTM'
/** Events at once, at least, whose instructions are counted. */
const EVENTS = 2000

const env = { ...project(), GLIBC_TUNABLES: TUNABLES }
const file = join(root, 'bench', 'instructions.json')
const program = join(root, 'target', 'release', 'proc-events-benches')
const wants = (option) => process.argv.includes(`--${option}`)

process.exitCode = main()

function main() {
  const noted = JSON.parse(readFileSync(file, 'utf8'))
  const missing = whyNot(noted)
  if (missing) {
    say(`instructions are not counted: ${missing}`)
    return 0
  }
  const build = ['cargo', 'build', '--release', '--package', 'proc-events-benches']
  if (!step('Building what is counted', project(), build)) return 1
  const counted = { ...circumstances(), works: countAll() }
  if (wants('update')) writeFileSync(file, `${JSON.stringify(counted, undefined, 2)}\n`)
  else if (wants('table')) table(counted.works)
  else return compare(noted, counted)
  return 0
}

/** Why nothing can be counted here, or nothing that could be compared. */
function whyNot({ machine }) {
  if (!env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'valgrind')))) {
    return 'valgrind is not installed'
  }
  if (!wants('update') && process.arch !== machine) return `they are noted for ${machine}, and this is ${process.arch}`
  return undefined
}

/** What the counts depend on, and does not stand in this repository. */
function circumstances() {
  const { stdout } = spawnSync('rustc', ['--version'], { cwd: root, env, encoding: 'utf8' })
  const { glibcVersionRuntime = 'another' } = process.report.getReport().header
  return { machine: process.arch, compiler: /[\d.]+/.exec(stdout)?.[0] ?? 'unknown', libc: glibcVersionRuntime }
}

/** The instructions an event, by the name of the work. */
function countAll() {
  const works = run([program, 'works']).stdout.trim().split('\n')
  return Object.fromEntries(
    works.map((line) => {
      const [name, events] = line.split(' ')
      const times = Math.ceil(EVENTS / events)
      // What comes before and after is in both.
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

/** 0, or 1 if something takes noticeably more than is noted. */
function compare(noted, counted) {
  const isSame = ['compiler', 'libc'].every((what) => noted[what] === counted[what])
  const tolerance = isSame ? TOLERANCE.same : TOLERANCE.other
  let failed = 0
  for (const name of new Set([...Object.keys(noted.works), ...Object.keys(counted.works)])) {
    const [before, now] = [noted.works[name], counted.works[name]]
    const more = 100 * (now / before - 1)
    if (Math.abs(more) <= tolerance) continue
    if (!(more < 0)) failed = 1
    say(`${name}: ${now ?? 'no'} instructions an event, where bench/instructions.json notes ${before ?? 'none'}`)
  }
  const how = isSame ? '' : `, with another compiler or C library (${counted.compiler}, ${counted.libc})`
  say(`instructions an event: ${failed ? 'not ' : ''}within ${tolerance} % of what is noted${how}`)
  if (failed) say('if that is meant: node scripts/instructions.mjs --update')
  return failed
}
