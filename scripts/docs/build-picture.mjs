// Draws the processes of a real build for the README: `make -j2` of a small C project. `npm run recording` writes
// docs/build.svg.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { say } from '../step.mjs'
import { root } from '../toolchain.mjs'

/** The colours are those of the page, in light and dark. */
const [light, dark] = readFileSync(join(root, 'assets', 'timeline.css'), 'utf8').match(/--back:[^}]*(?=\n *\})/g)
const STYLE = `<style>
svg { ${light.replaceAll(/\s+/g, ' ')} }
@media (prefers-color-scheme: dark) { svg { ${dark.replaceAll(/\s+/g, ' ')} } }
text { font: 11px system-ui, sans-serif; fill: var(--text) }
.title { font: 600 12px ui-monospace, monospace }
.dim { fill: var(--dim) }
.failed { fill: var(--bad) }
.on { fill: var(--on-bad) }
.back { fill: var(--back); stroke: var(--line) }
.line { stroke: var(--line) }
.bad { fill: var(--bad) }
${[0, 1, 2, 3, 4, 5, 6].map((n) => `.c${n} { fill: var(--c${n}) }`).join('\n')}
.c7 { fill: var(--other) }
</style>`

const compiled = (...path) => import(join(root, 'dist', 'src', ...path))
const { treeOf } = await compiled('pictures', 'process-tree.js')
const { timelineOf } = await compiled('pictures', 'timeline.js')
const { hasFailed, labelOf, commandLineOf } = await compiled('pictures', 'names.js')
const { programNameOf, programTotals } = await compiled('pictures', 'program-totals.js')
const { entriesOfRun } = await compiled('recording', 'run-entry.js')

/** A module in C that takes some time to compile. */
const module = (name, functions) =>
  [
    '#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>',
    ...Array.from(
      { length: functions },
      (_, n) =>
        `double ${name}${n}(double *a, int n) {\n  double s = 0;\n  for (int i = 0; i < n; i++) s += sin(a[i]) * ${n + 1};\n` +
        `  qsort(a, n, sizeof *a, (int (*)(const void *, const void *))strcmp);\n  return s + pow(s, ${n}.5);\n}`,
    ),
  ].join('\n')

const sources = { lexer: 60, parser: 110, optimizer: 160, report: 40 }
const files = {
  ...Object.fromEntries(Object.entries(sources).map(([name, size]) => [`${name}.c`, module(name, size)])),
  'main.c': 'int main(void) { return 0; }\n',
  'check.sh': '#!/bin/sh\n./app && sleep 0.05\ngrep -q "no such text" main.c\n',
  Makefile: [
    `objects = ${Object.keys(sources)
      .map((name) => `${name}.o`)
      .join(' ')} main.o`,
    'check: app\n\tsh check.sh',
    'app: $(objects)\n\tcc -o app $(objects) -lm',
    '%.o: %.c\n\tcc -O2 -c $< -o $@\n',
  ].join('\n'),
}

const svg = draw(timeline(recorded()))
writeFileSync(join(root, 'docs', 'build.svg'), svg)
say(`docs/build.svg: ${Math.ceil(svg.length / 1000)} kB`)

/** Returns the report of the build. The last step fails. */
function recorded() {
  const folder = mkdtempSync(join(tmpdir(), 'proc-events-build-'))
  const report = join(folder, 'report.json')
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    const command = [
      join(root, 'dist', 'src', 'cli', 'main.js'),
      'run',
      '--json',
      '--output',
      report,
      '--',
      'make',
      '-j2',
    ]
    try {
      execFileSync(process.execPath, command, { cwd: folder, stdio: 'ignore' })
    } catch (error) {
      if (error.status !== 2) throw error
    }
    return JSON.parse(readFileSync(report, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function timeline(report) {
  const { command, exitCode, signal, lost } = report
  return timelineOf(treeOf(entriesOfRun(report)), { command, exitCode, signal, lost })
}

/** Draws a row for each process, below its parent. */
function draw(whole) {
  const { bars, startNs, endNs, outcome, tree } = whole
  const [width, names, row, top] = [860, 270, 18, 58]
  const rows = inTreeOrder(bars)
  const height = top + rows.length * row + 14
  const x = (ns) => names + ((ns - startNs) / (endNs - startNs)) * (width - names - 12)
  const colors = programTotals(whole).map(({ name }) => name)
  const s = (endNs - startNs) / 1e9
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((one) => s / one <= 8) ?? 10
  const ticks = Array.from({ length: Math.floor(s / step) + 1 }, (_, n) => n * step)
  const body = rows.flatMap(({ bar, depth }, index) => {
    const { node } = bar
    const y = top + index * row
    const failed = hasFailed(node)
    const color = failed ? 'bad' : `c${Math.min(colors.indexOf(programNameOf(node)), 7)}`
    const [from, to] = [x(bar.startNs), Math.max(x(bar.endNs), x(bar.startNs) + 1.5)]
    const label = labelOf(node)
    const words = (commandLineOf(node, 200) ?? '').split(' ').slice(1).join(' ')
    const space = Math.floor((names - 24 - depth * 12) / 6) - label.length - 2
    const rest = words.length > space ? `${words.slice(0, Math.max(space - 1, 0))}…` : words
    const time = duration(bar.endNs - bar.startNs)
    const isInside = to - from > time.length * 6.5 + 14
    const isRight = to + time.length * 6.5 + 14 < width
    const at = isInside ? from + 5 : isRight ? to + 5 : from - 5
    const anchor = isInside || isRight ? '' : ' text-anchor="end"'
    const mark = failed ? '✗ ' : ''
    return [
      `<text x="${12 + depth * 12}" y="${y + 13}"${failed ? ' class="failed"' : ''}>${escaped(mark + label)}` +
        ` <tspan class="dim">${escaped(space > 3 ? rest : '')}</tspan></text>`,
      `<rect class="${color}" x="${from.toFixed(1)}" y="${y + 2}" width="${(to - from).toFixed(1)}" height="${row - 4}"/>`,
      `<text x="${at.toFixed(1)}" y="${y + 13}"${anchor}${isInside ? (failed ? ' class="on"' : '') : ' class="dim"'}>${mark}${time}</text>`,
    ]
  })
  const title = `proc-events run --format html -- ${outcome.command.join(' ')}`
  const facts = `${tree.processes} processes · ${tree.failed} failed · ${s.toFixed(2)} s · exit ${outcome.exitCode}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}: ${facts}</title>`,
    STYLE,
    `<rect class="back" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>`,
    `<text class="title" x="12" y="20">${escaped(title)}</text>`,
    `<text class="dim" x="12" y="38">${facts}</text>`,
    ...ticks.map((tick) => {
      const at = x(startNs + tick * 1e9).toFixed(1)
      const text = tick === 0 ? '0' : `${tick.toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0)} s`
      return `<path class="line" d="M${at} ${top - 6}V${height - 8}"/><text class="dim" x="${at}" y="${top - 10}">${text}</text>`
    }),
    ...body,
    '</svg>\n',
  ].join('\n')
}

function inTreeOrder(bars) {
  const rows = []
  const open = bars.filter(({ parent }) => parent === null).map((bar) => ({ bar, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    rows.push(next)
    open.push(...next.bar.children.map((bar) => ({ bar, depth: next.depth + 1 })).toReversed())
  }
  return rows
}

function duration(ns) {
  const ms = ns / 1e6
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`
}

function escaped(text) {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
