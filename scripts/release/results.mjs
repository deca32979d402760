// Writes the results of `npm run release:dry -- --write` into docs/runtimes.md, between two comments.

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'

const [BEGIN, END] = ['<!-- results: written by npm run release:dry -- --write -->', '<!-- end of results -->']

/** The programs of programs/ in the order of the columns, with their titles. */
const COLUMNS = {
  'watch.cjs': '`require`',
  'watch.mjs': '`import`',
  'workers.cjs': 'worker threads',
  'load.cjs': '`/proc`',
}

/**
 * `ran` has the name, the version and the target of each runtime, and `programs`: true for each program that succeeded, by its
 * name. `notDone` has a line for each check that was skipped.
 */
export function writeResults(ran, notDone) {
  const page = join(root, 'docs', 'runtimes.md')
  const text = readFileSync(page, 'utf8')
  const [before, rest] = text.split(BEGIN)
  const [, after] = rest.split(END)
  writeFileSync(page, `${before}${BEGIN}\n${markdown(ran, notDone)}\n${END}${after}`)
}

function markdown(ran, notDone) {
  // The last commit that changed the package.
  const log = ['log', '-1', '--format=%h', '--', 'crates', 'src', 'index.ts', 'prometheus.ts']
  const { stdout } = spawnSync('git', log, { cwd: root, encoding: 'utf8' })
  const linux = release().split('.').slice(0, 2).join('.')
  const rows = ran.map(({ name, version, target, programs }) => {
    const cells = Object.keys(COLUMNS).map((program) => ({ true: 'ok', false: '**failed**' })[programs[program]] ?? '-')
    return `| ${[name, version, target, ...cells].join(' | ')} |`
  })
  return [
    `Run on ${new Date().toISOString().slice(0, 10)}, at commit ${stdout.trim()}, on Linux ${linux}:`,
    '',
    `| runtime | version | binary | ${Object.values(COLUMNS).join(' | ')} |`,
    `|---|---|---|${'---|'.repeat(Object.keys(COLUMNS).length)}`,
    ...rows,
    ...(notDone.length > 0 ? ['', 'Not run then:', ...notDone.map((line) => `- ${line}`)] : []),
  ].join('\n')
}
