// Every check that is not a test, all of them even if one fails. `--fix` lays out the files instead of checking that.

import { spawnSync } from 'node:child_process'
import { say, step } from './step.mjs'
import { project, root } from './toolchain.mjs'

// What is generated and committed all the same: an API change, or a new dependency, shall be a visible diff.
const generated = [
  'index.d.ts',
  'docs/api/*',
  'native.d.ts',
  'man/*.1',
  'Cargo.lock',
  'package-lock.json',
  'scripts/docs/package-lock.json',
]

const env = project()
const fix = process.argv.includes('--fix')

const checks = fix
  ? [
      step('rustfmt', env, ['cargo', 'fmt', '--all']),
      step('oxlint', env, ['oxlint', '--fix']),
      step('prettier', env, ['prettier', '--write', '.']),
    ]
  : [
      step('rustfmt', env, ['cargo', 'fmt', '--all', '--check']),
      step('clippy', env, [
        'cargo',
        'clippy',
        '--workspace',
        '--all-targets',
        '--all-features',
        '--',
        '-D',
        'warnings',
      ]),
      step('oxlint', env, ['oxlint', '--deny-warnings', '--report-unused-disable-directives']),
      step('layers', env, ['node', 'scripts/lint/layers.mjs']),
      step('prettier', env, ['prettier', '--check', '.']),
      // index.d.ts, the manual and the tests are generated from, or checked against, what this compiles.
      step('tsc', env, ['tsc', '-p', 'tsconfig.json']),
      step('manual', env, ['node', 'scripts/manual.mjs']),
      step('docs', env, ['node', 'scripts/docs/main.mjs']),
      step('tsc, tests', env, ['tsc', '-p', '__test__/tsconfig.json']),
      step('generated files are as committed', env, ['git', 'diff', '--exit-code', '--', ...generated]),
      generatedFilesAreComplete(),
    ]

process.exitCode = checks.includes(false) ? 1 : 0

/** Returns true if no generated file is missing from git, which `git diff` does not show. */
function generatedFilesAreComplete() {
  const added = listGenerated('--others', '--exclude-standard')
  for (const file of added) say(`${file} is generated, and not committed yet`)
  return added.length === 0
}

function listGenerated(...flags) {
  const { stdout } = spawnSync('git', ['ls-files', ...flags, '--', ...generated], { cwd: root, env, encoding: 'utf8' })
  return (stdout ?? '').split('\n').filter(Boolean)
}
