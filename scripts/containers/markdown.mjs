// Writes the results as a page of the documentation.

import { spawnSync } from 'node:child_process'
import { release } from 'node:os'
import { root } from '../toolchain.mjs'

/** The checks with a column of their own. The others share one. */
const COLUMNS = ['doctor', 'own processes', 'foreign processes', 'container id']

/** Returns the page for the results of all runtimes. */
export function markdown(report) {
  const { stdout: commit } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' })
  const date = new Date().toISOString().slice(0, 10)
  const all = report.flatMap(({ containers }) => containers.flatMap(({ results }) => results))
  const count = (value) => all.filter(({ passed }) => passed === value).length
  const names = new Set(report.flatMap(({ containers }) => containers.map(({ variant }) => variant.name)))
  return [
    '# Runs in real containers',
    '',
    `Results of \`npm run containers\` on ${date}, at commit ${commit.trim()}, on Linux ${release()}: ${count(true)} passed,`,
    `${count(false)} failed, ${count(null)} skipped. [containers.md](containers.md) says what follows from them.`,
    '',
    '- **doctor**: the exit code of `proc-events doctor`, and its reason why live events are unavailable.',
    "- **own processes**: the source, or how processes are noticed, and the events of the container's own processes.",
    '- **foreign processes**: the events of processes that the host starts. "None told" is right where the host is not visible.',
    '- **container id**: `containerId` as the container sees it, and as the host does.',
    '- **else**: process warnings; user, number of capabilities and seccomp mode (2: filtered); the monitor of podman, which has no',
    "  id; and calls that are refused because `/proc` is another namespace's.",
    '',
    ...report.map(({ name, version, reason }) => `- ${name}: ${reason ? `skipped, ${reason}` : version}`),
    ...[...names].flatMap((name) => table(name, report)),
    '',
  ].join('\n')
}

/** Returns the lines of one container's table. */
function table(name, report) {
  const rows = report.flatMap((runtime) => {
    const found = runtime.containers.find(({ variant }) => variant.name === name)
    return found ? [row(runtime.name, found.results)] : []
  })
  const head = ['runtime', ...COLUMNS, 'else']
  const lines = [head, head.map(() => '---'), ...rows]
  return ['', `## ${name}`, '', ...lines.map((cells) => `| ${cells.map(escaped).join(' | ')} |`)]
}

function row(name, results) {
  const of = (check) => results.filter((result) => result.check === check)
  const others = results.filter(({ check }) => !COLUMNS.includes(check))
  const texts = others.map((result) => `${result.check}: ${textOf(result)}`)
  return [name, ...COLUMNS.map((check) => of(check).map(textOf).join('; ')), texts.join('; ')]
}

function textOf({ passed, text }) {
  return passed === null ? `skipped, ${text}` : passed ? text : `**failed**, ${text}`
}

function escaped(text) {
  return text.replaceAll('|', String.raw`\|`).replaceAll('<', '&lt;')
}
