// The page of results, docs/integrations.md.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { root } from '../toolchain.mjs'
import { countsOf } from './account.mjs'

const folder = join(root, 'target', 'integrations')

/** Adds the results of some parts to those of earlier runs, and writes the page. */
export function save(parts, { rate, notRun }) {
  const path = join(folder, 'results.json')
  const all = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  const run = { date: new Date().toISOString().slice(0, 10) }
  for (const [name, { rows, checks }] of Object.entries(parts)) {
    const part = (all[name] ??= { rows: {}, checks: {} })
    for (const row of rows) part.rows[`${row.title}, ${rate}/s`] = { ...row, ...run, asked: rate }
    for (const check of checks) part.checks[check.title] = { ...check, ...run }
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(path, JSON.stringify(all, undefined, 1))
  writeFileSync(join(root, 'docs', 'integrations.md'), page(all, notRun))
}

function page(all, notRun) {
  return `# Integrations: what became of each event

\`npm run integrations\` follows the recipes of [examples](../examples) with real services and real processes, and disturbs them.
With \`-- --full\` it makes 5,000 events a second, and with \`-- --write\` it writes this page. [fleet.md](fleet.md) says what follows.

- **sent**: processes of the load, of which each exit has to arrive. A command that also writes execs has as many lines again.
- **lost**: events of the machine that did not arrive as the kernel has reported them: exits of the load, exits of others, and execs.
  A listener without filters, which loses nothing, runs beside the load and knows all of them.
- **told as lost**: events that lines of the type \`loss\` tell of, by cause. These lines count all events of the machine.
- **missing**: numbers (\`seq\`) that the receiver finds missing in a stream, up to its last line, \`end\`.
- **silent**: lost, but neither told as lost nor missing by number. The command fails if there is one.
- **too many**: told as lost, but not lost. The execs at the edge of a loss are not known exactly, because the command writes exits only.
- **twice**: lines with the number of another line.
- **events/s**: the rate that the load reached beside all services on one machine. **seconds**: from its start to the last line.
- **bytes**: of a record, as OTLP in JSON. **CPU time**: of a line. **MB**: the most memory that the agent has had.

The machine: ${cpus().length} CPUs (${cpus()[0].model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.versions.node}.

${Object.entries(all)
  .map(([name, part]) => section(name, part))
  .join('\n')}
## Not run
No package registry has ${notRun.slice(0, -1).join(', ')} and ${notRun.at(-1)}.
`
}

const HEAD =
  'case|sent|delivered|lost|told as lost|missing|silent|too many|twice|events/s|seconds|bytes|CPU time|MB'.split('|')

function section(name, { rows, checks }) {
  const sorted = Object.values(rows).toSorted((a, b) => b.asked - a.asked)
  const days = new Set([...sorted, ...Object.values(checks)].map(({ date }) => date))
  const table = [HEAD, HEAD.map((_, index) => (index === 0 ? '---' : '--:')), ...sorted.map(cellsOf)]
  return [
    `## ${name}`,
    `Run on ${[...days].sort().join(', ')}.`,
    '',
    ...(sorted.length > 0 ? [...table.map((cells) => `| ${cells.join(' | ')} |`), ''] : []),
    ...Object.values(checks).map(
      ({ title, isRight, detail }) =>
        `- ${title}: ${isRight ? 'yes' : '**no**'}${detail && isRight ? `, ${text(detail)}` : ''}`,
    ),
    ...(Object.keys(checks).length > 0 ? [''] : []),
  ].join('\n')
}

const text = (detail) => detail.replaceAll('|', '/').replaceAll('<', '&lt;').split('\n')[0]

const number = (value) => (value === undefined ? '' : value.toLocaleString('en'))

/** Returns the counts that are not 0, as text. */
function someOf(counts) {
  return countsOf(Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))) || '0'
}

function cellsOf(row) {
  return [
    row.title,
    number(row.sent),
    number(row.delivered),
    someOf(row.missing),
    someOf(row.causes),
    number(row.gaps),
    row.silent === 0 ? '0' : `**${number(row.silent)}**`,
    number(row.excess),
    number(row.duplicates),
    number(row.rate),
    number(row.seconds),
    number(row.bytes),
    row.cpu.map(([name, micros]) => `${name} ${micros} µs`).join(', '),
    number(row.memory),
  ]
}
