// Writes the committed npm/<target>/, which is published with the binary and the licence. `npm version` runs it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'
import { asJson, platformManifest, platformReadme } from './manifests.mjs'
import { targets } from './targets.mjs'

for (const target of targets) {
  const folder = join(root, target.folder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), asJson(platformManifest(target)))
  writeFileSync(join(folder, 'README.md'), platformReadme(target))
}
