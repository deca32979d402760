// Writes what the sources declare: index.d.ts, from the compiled declarations, the API reference, docs/api, from the
// comments, and the keys of recordings, from their schema. Fails if a public symbol has no comment.

import { join } from 'node:path'
import { packagesAreInstalled } from '../packages.mjs'
import { step } from '../step.mjs'
import { machine, project } from '../toolchain.mjs'

const here = import.meta.dirname
const bin = (name) => join(here, 'node_modules', '.bin', name)
const env = project()

const extractor = [bin('api-extractor'), 'run', '--local', '--config', join(here, 'api-extractor.json')]
const typedoc = [bin('typedoc'), '--options', join(here, 'typedoc.config.mjs'), '--logLevel', 'Warn']

const done =
  (packagesAreInstalled(here) || step("Installing the docs' npm packages", machine, ['npm', 'ci'], here)) &&
  step('index.d.ts', env, extractor) &&
  step('index.d.ts, layout', env, ['prettier', '--write', 'index.d.ts']) &&
  step('API reference', env, typedoc) &&
  step('docs/recordings.md', env, ['node', join(here, 'recording-keys.mjs')])
process.exitCode = done ? 0 : 1
