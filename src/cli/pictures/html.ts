/** A page with a timeline, in one file that loads nothing. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { titleOf } from '../../pictures/chrome-trace.js'
import { type Lanes, lanesOf } from '../../pictures/lanes.js'
import { commandLineOf, endingOf, hasFailed, labelOf, programOf } from '../../pictures/names.js'
import { type ProgramTotal, programNameOf, programTotals } from '../../pictures/program-totals.js'
import { runningCounts } from '../../pictures/running-counts.js'
import type { Bar, Timeline } from '../../pictures/timeline.js'
import { excerpt, printable } from '../../recording/text.js'
import { formatBytes, formatDuration, formatOffset, plural } from '../output/format.js'
import { headline } from './headline.js'

const ASSETS = join(__dirname, '..', '..', '..', '..', 'assets')
/** Characters of a command line, of the title of the page, and of another text. */
const [COMMAND_MAX, TITLE_MAX, TEXT_MAX] = [500, 300, 200]
/** Rows of the tables. */
const [PROCESSES_MAX, PROGRAMS_MAX] = [50, 30]
/** Programs with a colour of their own, as many as the style has. */
const COLORS_MAX = 7
/** Steps of the overview. */
const COUNTS_MAX = 2000

export function htmlPage(timeline: Timeline): string {
  const lanes = lanesOf(timeline.bars)
  const style = asset('timeline.css')
  const script = asset('timeline.js')
  const title = excerpt(printable(titleOf(timeline)), TITLE_MAX)
  const values: Record<string, string> = {
    csp: `default-src 'none'; style-src '${digest(style)}'; script-src '${digest(script)}'; base-uri 'none'; form-action 'none'`,
    title: escaped(title),
    headline: escaped(headline(timeline)),
    facts: escaped(facts(timeline, lanes)),
    style,
    tables: tables(timeline),
    footer: escaped(footer(timeline)),
    data: embedded(dataOf(timeline, lanes)),
    script,
  }
  // The hashes are those of whole elements, without space around the text.
  const placeholders = /<(style|script)([^>]*)>\s*(?:\/\*|")\s*@(\w+)@\s*(?:\*\/|")\s*<\/\1>|@(\w+)@/g
  return asset('timeline.html').replaceAll(
    placeholders,
    (_, element: string | undefined, attributes: string, inside: string, alone: string) =>
      element === undefined ? values[alone]! : `<${element}${attributes}>${values[inside]!}</${element}>`,
  )
}

function asset(name: string): string {
  return readFileSync(join(ASSETS, name), 'utf8').trim()
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function facts({ tree: { start, losses } }: Timeline, { unplaced }: Lanes): string {
  return [
    ...(start === null ? [] : [start.time, start.host ?? '', `proc-events ${start.version}`]),
    ...(start?.source === 'polling' ? ['polled: short-lived processes may be missing'] : []),
    ...(losses.length > 0 ? [`${plural(losses.length, 'loss', 'losses')}: see the red lines`] : []),
    ...(unplaced > 0 ? [`no lane was free for ${plural(unplaced, 'process', 'processes')}: see the tree`] : []),
  ]
    .filter(Boolean)
    .map((fact) => printable(fact))
    .join(' · ')
}

function footer({ hasUsage }: Timeline): string {
  const cost = hasUsage ? '' : ' CPU time and memory are not known.'
  return `Times are since the first process began. A process lives from its fork to its exit.${cost}`
}

/** Texts that occur more than once, by number. */
class Strings {
  readonly all: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.all.length)
    return this.all.push(text) - 1
  }
}

/** Returns the data of the page. Times are in milliseconds since the start. */
function dataOf(timeline: Timeline, { placed, heights }: Lanes): object {
  const { bars, startNs, endNs, tree } = timeline
  const strings = new Strings()
  const places = new Map(placed.map((one) => [one.bar, one]))
  const numbers = new Map(bars.map((bar, index) => [bar, index]))
  const ms = (ns: number): number => Math.round((ns - startNs) / 1e3) / 1e3
  const short = (text: string): number => strings.numberOf(printable(excerpt(text, TEXT_MAX)))
  const colored = programTotals(timeline)
    .slice(0, COLORS_MAX)
    .map(({ name }) => short(name))
  const rows = bars.map((bar) => {
    const { node } = bar
    const place = places.get(bar)
    const last = node.execs.at(-1)
    const usage = node.end?.usage ?? null
    return [
      bar.parent === null ? -1 : numbers.get(bar.parent)!,
      short(labelOf(node)),
      short(programNameOf(node)),
      ms(bar.startNs),
      ms(bar.endNs) - ms(bar.startNs),
      place?.lane ?? -1,
      place?.level ?? 0,
      node.pid,
      node.ppid,
      short(endingOf(node)),
      hasFailed(node) ? 1 : node.end === null ? 2 : 0,
      strings.numberOf(commandLineOf(node, COMMAND_MAX) ?? ''),
      Object.entries({ executable: last?.exe, folder: last?.cwd, user: node.user }).flatMap(([name, value]) =>
        (value ?? null) === null ? [] : [[short(name), short(value!)]],
      ),
      node.execs.length > 1 ? node.execs.map((exec) => [ms(exec.timestampNs), short(programOf(exec))]) : [],
      usage === null ? null : [usage.cpuNs / 1e6, usage.maxRssBytes],
    ]
  })
  const counts = runningCounts(bars, COUNTS_MAX).map(({ ns, running }) => [ms(ns), running])
  const losses = tree.losses.map(({ timestampNs, lost }) => [Math.max(0, ms(timestampNs)), lost])
  return { totalMs: Math.max(ms(endNs), 0.001), heights, colored, counts, losses, strings: strings.all, bars: rows }
}

/** Returns JSON that does not end its script element. */
function embedded(data: object): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}

function tables(timeline: Timeline): string {
  const { bars, hasUsage, tree } = timeline
  const numbers = new Map(bars.map((bar, index) => [bar, index]))
  const row = (bar: Bar) => processRow(bar, numbers.get(bar)!, timeline)
  const failed = bars.filter(({ node }) => hasFailed(node))
  const longest = bars.toSorted((a, b) => b.endNs - b.startNs - (a.endNs - a.startNs))
  const head = ['program', 'pid:', 'start:', 'lifetime:', ...(hasUsage ? ['CPU:', 'memory:'] : []), 'ended', 'command']
  const programs = programTotals(timeline)
  const shown = programs.slice(0, PROGRAMS_MAX).map((total) => programRow(total, hasUsage))
  const programHead = ['program', 'processes:', 'failed:', 'total lifetime:', 'longest:']
  const costHead = hasUsage ? ['CPU:', 'peak memory:'] : []
  return [
    table('Failed', head, failed.slice(0, PROCESSES_MAX).map(row), tree.failed),
    table('Longest', head, longest.slice(0, PROCESSES_MAX).map(row), tree.processes),
    table('Programs', [...programHead, ...costHead], shown, programs.length),
  ].join('')
}

/** A head that ends with a colon is that of a column of numbers. */
function table(title: string, head: readonly string[], rows: readonly (readonly string[])[], count: number): string {
  if (rows.length === 0) return ''
  const heads = head.map((text) =>
    text.endsWith(':') ? `<th class="number">${text.slice(0, -1)}</th>` : `<th>${text}</th>`,
  )
  const more = count > rows.length ? `<p class="remark">… and ${count - rows.length} more</p>` : ''
  const body = rows.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n')
  return `<section><h2>${title}</h2><div class="wide"><table><thead><tr>${heads.join('')}</tr></thead><tbody>
${body}
</tbody></table></div>${more}</section>
`
}

function programRow(total: ProgramTotal, hasUsage: boolean): string[] {
  const { name, processes, failed, lifeNs, longestNs, cpuNs, maxRssBytes } = total
  const cost = [cell(formatDuration(cpuNs), 'number'), cell(formatBytes(maxRssBytes), 'number')]
  return [
    cell(excerpt(name, TEXT_MAX)),
    cell(String(processes), 'number'),
    cell(String(failed), failed > 0 ? 'number bad' : 'number'),
    cell(formatDuration(lifeNs), 'number'),
    cell(formatDuration(longestNs), 'number'),
    ...(hasUsage ? cost : []),
  ]
}

function processRow({ node, startNs, endNs }: Bar, index: number, timeline: Timeline): string[] {
  const usage = node.end?.usage
  const cost = [
    cell(formatDuration(usage?.cpuNs ?? null), 'number'),
    cell(formatBytes(usage?.maxRssBytes ?? null), 'number'),
  ]
  const name = escaped(printable(excerpt(labelOf(node), TEXT_MAX)))
  return [
    `<td><button type="button" data-bar="${index}">${name}</button></td>`,
    cell(String(node.pid), 'number'),
    cell(formatOffset(startNs - timeline.startNs), 'number'),
    cell(formatDuration(endNs - startNs), 'number'),
    ...(timeline.hasUsage ? cost : []),
    cell(endingOf(node), hasFailed(node) ? 'bad' : ''),
    cell(commandLineOf(node, COMMAND_MAX) ?? '', 'code'),
  ]
}

function cell(text: string, kind = ''): string {
  return `<td${kind === '' ? '' : ` class="${kind}"`}>${escaped(printable(text))}</td>`
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
