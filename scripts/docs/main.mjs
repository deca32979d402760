// Writes the API reference, docs/api, from the comments in the sources. Fails if a public symbol has none.

import { join } from 'node:path'
import { packagesAreInstalled } from '../packages.mjs'
import { step } from '../step.mjs'
import { machine, project } from '../toolchain.mjs'

const here = import.meta.dirname
const typedoc = [join(here, 'node_modules', '.bin', 'typedoc'), '--options', join(here, 'typedoc.config.mjs')]

const done =
  (packagesAreInstalled(here) || step("Installing the docs' npm packages", machine, ['npm', 'ci'], here)) &&
  step('API reference', project(), [...typedoc, '--logLevel', 'Warn'])
process.exitCode = done ? 0 : 1
