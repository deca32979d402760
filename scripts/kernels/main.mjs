// Runs the package on other kernels: `npm run kernels [-- NAME…]`. It boots Debian's kernels in QEMU, each with Node.js, the
// packed package and the specs, and writes the results to docs/kernels.md. `--list` prints the names. `--checks a,b` runs some
// checks only, and adds their results to the page; `kinds.spec` is one spec. `--offline` uses what was fetched before.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../step.mjs'
import { root } from '../toolchain.mjs'
import { run as execute } from './debian.mjs'
import { initialDisk } from './disk.mjs'
import { fetchKernel } from './kernel.mjs'
import { CHECKS, rows } from './matrix.mjs'
import { accelerator, boot, whyNoMachine } from './machine.mjs'
import { page } from './report.mjs'

/** Everything that is fetched or built, and the logs. */
export const work = join(root, 'target', 'kernels')

const options = {
  list: { type: 'boolean' },
  checks: { type: 'string' },
  offline: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
}
const { values, positionals } = parseArgs({ options, allowPositionals: true })
const unknown = positionals.filter((name) => !rows.some((row) => row.name === name))
if (values.help || values.list || unknown.length > 0) {
  for (const name of unknown) say(`${name}: no such kernel`)
  say('usage: npm run kernels [-- [--checks NAME,…] [--offline] NAME…]')
  for (const { name, what } of rows) say(`  ${name.padEnd(12)} ${what}`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

mkdirSync(work, { recursive: true })
const chosen = rows.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
// The page has each result at once, so that an end of this program loses only the kernel that runs.
const results = chosen.map((row) => {
  const result = run(row)
  save(result)
  return result
})
const skipped = results.filter(({ skipped: reason }) => reason)
for (const { row, skipped: reason } of skipped) say(`not done: ${row.name}: ${reason}`)
const failed = results.flatMap(({ row, checks = [] }) =>
  checks.filter(({ ok }) => !ok).map(({ check }) => `${row.name}: ${check}`),
)
for (const line of failed) say(`failed: ${line}`)
say(`${results.length - skipped.length} kernels, ${failed.length} checks failed`)
process.exitCode = failed.length > 0 || skipped.length === results.length ? 1 : 0

/** Runs one row. Returns its results, or the reason why it was skipped. */
function run(row) {
  const missing = whyNoMachine(row)
  if (missing) return { row, skipped: missing }
  try {
    const kernel = fetchKernel(row, join(work, 'kernels'), values.offline)
    const disk = initialDisk(row.arch, work, values.offline)
    const accel = accelerator(row, kernel, work)
    const checks = values.checks?.split(',') ?? CHECKS
    say(`${row.name}: ${kernel.package}, ${accel.toUpperCase()}`)
    return {
      row,
      package: kernel.package,
      commit: commit(),
      date: new Date().toISOString().slice(0, 10),
      accel,
      ...boot(row, kernel, disk, accel, checks, join(work, 'logs')),
    }
  } catch (error) {
    return { row, skipped: String(error.message).split('\n')[0] }
  }
}

/** Returns the last commit that changed the package. */
function commit() {
  const paths = ['crates', 'src', 'index.ts', 'prometheus.ts']
  const git = (...args) => execute('git', [...args, '--', ...paths], { cwd: root }).trim()
  return git('log', '-1', '--format=%h') + (git('status', '--porcelain') ? ' and changes' : '')
}

/** Keeps the result of a kernel, so that the page also has those of earlier runs, and writes that. */
function save(result) {
  const path = join(work, 'results.json')
  const all = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  const { name: saved } = result.row
  if (result.skipped) all[saved] ??= result
  else all[saved] = values.checks ? merge(all[saved], result) : result
  writeFileSync(path, JSON.stringify(all, undefined, 1))
  writeFileSync(join(root, 'docs', 'kernels.md'), page(rows.map(({ name }) => all[name]).filter(Boolean)))
}

/** Replaces some checks of an earlier run of the same kernel. Those of another commit say so. */
function merge(earlier, later) {
  if (!earlier?.checks || earlier.release !== later.release) return later
  const kept = earlier.checks.filter(({ check }) => check !== 'end')
  const other = later.commit === earlier.commit ? {} : { commit: later.commit }
  const replaced = later.checks.map((check) => ({ ...check, ...other }))
  const checks = new Map([...kept, ...replaced].map((check) => [check.check, check]))
  return { ...earlier, checks: [...checks.values()], seconds: earlier.seconds + later.seconds }
}
