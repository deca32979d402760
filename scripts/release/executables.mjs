// Single executables of Node.js (SEA): the package is in it, with its native part as an asset, or beside it.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What Node.js looks for in its own file, to tell whether something was put into it. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

export const tools = ['esbuild', 'postject']

export const executables = [
  { name: 'all in one file', entry: 'single.cjs', alone: true },
  { name: 'node_modules beside it', entry: 'beside.cjs', alone: false },
]

/**
 * Writes what building an executable for the application of a folder needs. Returns the commands that do it, in order;
 * `file` is what they make: in that folder, or in one with nothing else if it is to be alone.
 */
export function recipe({ entry, alone }, app, bin, binary) {
  const [bundle, blob, config] = ['bundle.cjs', 'blob', 'json'].map((end) => join(app, `${entry}.${end}`))
  const folder = alone ? join(app, '..', 'alone') : app
  const file = join(folder, 'run')
  const assets = alone ? { 'proc-events.node': binary } : {}
  mkdirSync(folder, { recursive: true })
  writeFileSync(config, JSON.stringify({ main: bundle, output: blob, disableExperimentalSEAWarning: true, assets }))
  copyFileSync(process.execPath, file)
  const commands = [
    // The platform's package is no JavaScript.
    [join(bin, 'esbuild'), entry, '--bundle', '--platform=node', '--external:@proc-events/*', `--outfile=${bundle}`],
    [process.execPath, '--experimental-sea-config', config],
    [join(bin, 'postject'), file, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE],
  ]
  return { commands, file }
}
