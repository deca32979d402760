// Single executables of Node.js (SEA), with the package inside and its native part as an asset, or with the package beside.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The marker in Node.js's own file that shows if the file contains an application. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

export const tools = ['esbuild', 'postject']

export const executables = [
  { name: 'all in one file', entry: 'single.cjs', alone: true },
  { name: 'node_modules beside it', entry: 'beside.cjs', alone: false },
]

/**
 * Writes the files to build an executable for the application of a folder. Returns the commands in order, and `file`, the
 * executable. It is in the same folder, or in an empty one if it must be alone.
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
    // The platform package has no JavaScript.
    [join(bin, 'esbuild'), entry, '--bundle', '--platform=node', '--external:@proc-events/*', `--outfile=${bundle}`],
    [process.execPath, '--experimental-sea-config', config],
    [join(bin, 'postject'), file, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE],
  ]
  return { commands, file }
}
