/** A report in Markdown, for the summaries of CI services: tables, and a Gantt chart that GitHub draws with Mermaid. */
import { titleOf } from '../../pictures/chrome-trace.js'
import { commandLineOf, endingOf, hasFailed, labelOf } from '../../pictures/names.js'
import { type ProgramTotal, programTotals } from '../../pictures/program-totals.js'
import type { Bar, Timeline } from '../../pictures/timeline.js'
import { excerpt, printable } from '../../recording/text.js'
import { formatBytes, formatDuration, formatOffset } from '../output/format.js'
import { headline } from './headline.js'

/** Rows of each table, and bars of the chart. */
const [FAILED_MAX, LONGEST_MAX, PROGRAMS_MAX, CHART_MAX] = [20, 20, 10, 40]
/** Characters of a command line, and of a name in the chart. */
const [COMMAND_MAX, NAME_MAX] = [120, 40]

export function markdown(timeline: Timeline): string {
  const { bars, outcome, tree } = timeline
  const failed = bars.filter(({ node }) => hasFailed(node))
  const byLife = bars.toSorted((a, b) => lifeOf(b) - lifeOf(a))
  const longest = byLife.slice(0, LONGEST_MAX)
  const title = outcome.command.length > 0 ? code(titleOf(timeline), COMMAND_MAX) : cell(titleOf(timeline))
  return [
    `### ${title}`,
    headline(timeline),
    ...section('Failed', processTable(failed.slice(0, FAILED_MAX), timeline), tree.failed - FAILED_MAX),
    ...section('Longest', processTable(longest, timeline), tree.processes - LONGEST_MAX),
    ...section('Programs', programTable(programTotals(timeline).slice(0, PROGRAMS_MAX), timeline), 0),
    ...(bars.length === 0 ? [] : chart(byLife.slice(0, CHART_MAX), timeline)),
    '',
  ].join('\n\n')
}

function section(title: string, lines: readonly string[], more: number): string[] {
  if (lines.length <= 2) return []
  return [`#### ${title}`, lines.join('\n'), ...(more > 0 ? [`… and ${more} more`] : [])]
}

function processTable(bars: readonly Bar[], { startNs, hasUsage }: Timeline): string[] {
  const head = ['program', 'pid', 'start', 'lifetime', ...(hasUsage ? ['CPU', 'memory'] : []), 'ended', 'command']
  const rows = bars.map(({ node, startNs: from, endNs: to }) => {
    const usage = node.end?.usage
    const cost = [formatDuration(usage?.cpuNs ?? null), formatBytes(usage?.maxRssBytes ?? null)]
    return [
      cell(excerpt(labelOf(node), NAME_MAX)),
      String(node.pid),
      formatOffset(from - startNs),
      formatDuration(to - from),
      ...(hasUsage ? cost : []),
      cell(endingOf(node)),
      code(commandLineOf(node, COMMAND_MAX) ?? '', COMMAND_MAX),
    ]
  })
  return table(head, rows, ['pid', 'start', 'lifetime', 'CPU', 'memory'])
}

function programTable(totals: readonly ProgramTotal[], { hasUsage }: Timeline): string[] {
  const costs = hasUsage ? ['CPU', 'peak memory'] : []
  const head = ['program', 'processes', 'failed', 'total lifetime', 'longest', ...costs]
  const rows = totals.map(({ name, processes, failed, lifeNs, longestNs, cpuNs, maxRssBytes }) => [
    cell(excerpt(name, NAME_MAX)),
    String(processes),
    String(failed),
    formatDuration(lifeNs),
    formatDuration(longestNs),
    ...(hasUsage ? [formatDuration(cpuNs), formatBytes(maxRssBytes)] : []),
  ])
  return table(head, rows, head.slice(1))
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: readonly string[],
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((title) => (rightAligned.includes(title) ? '--:' : '---'))), ...rows.map(line)]
}

/** Returns the chart of these processes, in the order of their starts. */
function chart(bars: readonly Bar[], { startNs, endNs }: Timeline): string[] {
  const ordered = bars.toSorted((a, b) => a.startNs - b.startNs)
  // d3 formats milliseconds with %Q, and seconds with %s. Neither depends on the time zone of the reader.
  const axis = endNs - startNs < 10e9 ? '%Q ms' : '%s s'
  const lines = ordered.map(({ node, startNs: from, endNs: to }) => {
    const state = hasFailed(node) ? 'crit, ' : node.end === null ? 'active, ' : ''
    const [begin, end] = [Math.floor((from - startNs) / 1e6), Math.ceil((to - startNs) / 1e6)]
    return `    ${chartName(node.pid, labelOf(node))} :${state}${begin}, ${Math.max(end, begin + 1)}`
  })
  const text = ['```mermaid', 'gantt', '    dateFormat x', `    axisFormat ${axis}`, ...lines, '```'].join('\n')
  const summary = `<details><summary>Timeline of the ${bars.length} longest processes</summary>`
  return [summary, text, '</details>']
}

/** Returns a name for Mermaid, which gives a meaning to punctuation, and to its own words at the beginning. */
function chartName(pid: number, label: string): string {
  const name = excerpt(label.replaceAll(/[^\p{L}\p{N} ._+()/→…-]/gu, '_'), NAME_MAX)
  return `${pid} ${name}`
}

/** Returns a text for a cell, in which Markdown and HTML have no meaning. */
function cell(text: string): string {
  return printable(text).replaceAll(/[\\`*_{}[\]<>()#+!|~&-]/g, (character) => `\\${character}`)
}

/** Returns a text as code, which may stand in a cell. */
function code(text: string, most: number): string {
  if (text === '') return ''
  const shown = excerpt(printable(text), most).replaceAll('|', '\\|')
  const longest = Math.max(0, ...[...shown.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return longest === 0 ? `${fence}${shown}${fence}` : `${fence} ${shown} ${fence}`
}

function lifeOf({ startNs, endNs }: Bar): number {
  return endNs - startNs
}
