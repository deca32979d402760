// The table and the questions of docs/fleet.md, on millions of lines in DuckDB.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { FULL_RATE } from '../load.mjs'

export async function run({ check, figure }, tools, rate) {
  const text = readFileSync(join(root, 'docs', 'fleet.md'), 'utf8')
  const blocks = [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, block]) => block)
  const count = rate < FULL_RATE ? 300_000 : 3_000_000
  const args = [join(import.meta.dirname, '..', 'duckdb', 'ask.py'), tools.folder('duckdb'), String(count)]
  const input = JSON.stringify(blocks)
  const { status, stdout, stderr } = spawnSync(tools.python, args, { input, encoding: 'utf8', maxBuffer: 1 << 30 })
  if (!check('the statements run', status === 0, stderr)) return
  const { answers, exits, seconds } = JSON.parse(stdout)
  const [, asRoot, failures, longest, memory, losses, silent] = answers
  check('each exit is counted once', exits === count - 17, `${exits} of ${count} lines`)
  check(
    'programs that users ran as root',
    asRoot.length === count / 1000 && asRoot[0].command.startsWith('x argument'),
    `${asRoot.length} rows`,
  )
  const failed = failures.reduce((sum, row) => sum + row.failures, 0)
  check(
    'failures by program and host',
    failed === count / 25,
    `${failures[0].name} on ${failures[0].host}: ${failures[0].failures}`,
  )
  check('the longest', longest[0].seconds === 9000 && longest[0].pid === 300 + 4242)
  check('the most memory', memory[0].megabytes === 9000)
  const [first, second] = losses
  check(
    'hosts with losses',
    losses.length === 2 && Number(first.told) === 500 && Number(second.missing) === 17 && Number(second.twice) === 5,
    JSON.stringify(losses),
  )
  const hosts = silent.map(({ host }) => host)
  check(
    'silent hosts',
    hosts.length === 48 && !hosts.includes('host-7') && !hosts.includes('host-8'),
    `${hosts.length}`,
  )
  figure(`table and questions, ${count} lines`, `${seconds.toFixed(1)} s`)
}
