// Bundled applications. The package must stay outside of the bundle, which takes one setting for each bundler.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const entry = 'app.mjs'

/** Each bundler bundles app.mjs to `output` by a shell command. `config` is written to a file first. */
export const bundlers = [
  {
    name: 'esbuild',
    install: ['esbuild'],
    output: 'esbuild.mjs',
    arguments: [
      entry,
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--external:proc-events',
      '--outfile=esbuild.mjs',
    ],
  },
  {
    name: 'rollup',
    install: ['rollup', '@rollup/plugin-node-resolve'],
    output: 'rollup.mjs',
    arguments: [entry, '--format=es', '--external=proc-events', '--plugin=node-resolve', '--file=rollup.mjs'],
  },
  {
    name: 'webpack',
    install: ['webpack', 'webpack-cli'],
    output: 'webpack.cjs',
    config: `module.exports = {
      target: 'node', mode: 'production', entry: './${entry}',
      output: { path: __dirname, filename: 'webpack.cjs' },
      externals: { 'proc-events': 'commonjs proc-events' },
    }`,
    arguments: ['--config=webpack.config.cjs'],
  },
]

/** The application: a local module to bundle, and the package to leave outside. */
export function writeApplication(folder) {
  writeFileSync(join(folder, entry), "import './watch.mjs'\n")
  for (const { config } of bundlers) if (config) writeFileSync(join(folder, 'webpack.config.cjs'), config)
}
