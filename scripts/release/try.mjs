// Tests packed tarballs on this system: `node scripts/release/try.mjs <folder>`. It needs only Node.js and npm, so that it
// runs in a container of any distribution.

import { readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { say } from '../step.mjs'
import { installOffline, watch } from './install.mjs'
import { everything } from './runtimes.mjs'
import { hostTarget, manifest } from './targets.mjs'

const folder = resolve(process.argv[2] ?? '.')
const { name, packageName } = hostTarget()
// npm names a tarball after its package: scope-name-version.tgz.
const wanted = [manifest.name, packageName.slice(1).replace('/', '-')].map((of) => `${of}-${manifest.version}.tgz`)
const tarballs = readdirSync(folder).filter((file) => wanted.includes(file))
if (tarballs.length < wanted.length) {
  say(`${folder}: expected ${wanted.join(', ')}, found ${tarballs.join(', ') || 'nothing'}`)
  process.exit(1)
}
const title = `Node.js ${process.versions.node} on ${name}`
const home = installOffline(
  `Installing: ${title}`,
  tarballs.map((file) => join(folder, file)),
)
if (!home || !watch(title, [process.execPath], home, [...everything, 'load.cjs'])) process.exitCode = 1
if (home) rmSync(home, { recursive: true })
