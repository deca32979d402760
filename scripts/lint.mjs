// Runs every check that is not a test, even after a failure. `--fix` formats the files instead of checking their format.

import { spawnSync } from 'node:child_process'
import { say, step } from './step.mjs'
import { project, root } from './toolchain.mjs'

// Generated files that are committed, so that an API change or a new dependency is a visible diff.
const generated = [
  'index.d.ts',
  'docs/api/*',
  'docs/recordings.md',
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
      step('sentences', env, ['node', 'scripts/lint/sentences.mjs']),
      step('prettier', env, ['prettier', '--check', '.']),
      // index.d.ts, the manual and the tests are generated from, or checked against, what this compiles.
      step('tsc', env, ['tsc', '-p', 'tsconfig.json']),
      step('manual', env, ['node', 'scripts/manual.mjs']),
      step('docs', env, ['node', 'scripts/docs/main.mjs']),
      step('tsc, tests', env, ['tsc', '-p', '__test__/tsconfig.json']),
      step('generated files equal the committed ones', env, ['git', 'diff', '--exit-code', '--', ...generated]),
      generatedFilesAreComplete(),
    ]

process.exitCode = checks.includes(false) ? 1 : 0

/** Returns true if no generated file is missing from git, which `git diff` does not show. */
function generatedFilesAreComplete() {
  const added = listGenerated('--others', '--exclude-standard')
  for (const file of added) say(`${file}: generated, but not committed`)
  return added.length === 0
}

function listGenerated(...flags) {
  const { stdout } = spawnSync('git', ['ls-files', ...flags, '--', ...generated], { cwd: root, env, encoding: 'utf8' })
  return (stdout ?? '').split('\n').filter(Boolean)
}
