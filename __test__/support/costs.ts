/** Compiles the program whose processes have costs that are known. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type ExitEvent, probe } from '../../dist/index.js'
import { run, temporaryFolder } from './helpers.ts'
import { has, skipped } from './load.ts'

/**
 * For so many milliseconds the cost of a process that never calls exec may be unknown: after the kernel was asked, and after a
 * loss or a reopened source.
 */
const UNCERTAIN_MS = { start: 20, loss: 1000 }

/** Resolves when all costs are known. */
export async function costsAreCertain(since: keyof typeof UNCERTAIN_MS = 'start'): Promise<void> {
  for (const end = performance.now() + UNCERTAIN_MS[since]; performance.now() < end;) await run('/bin/true')
}

/** The exit code of the short processes of a storm. */
const SHORT_CODE = 64

/** Compiles a program in C. */
export function compiled(t: ExecutionContext, name: string, source: string): string {
  const path = join(temporaryFolder(t), name)
  const { status, stderr } = spawnSync('cc', ['-O1', '-pthread', '-o', path, source], { encoding: 'utf8' })
  t.is(status, 0, stderr)
  return path
}

/** Compiles `costs.c`. null: this machine cannot run the test. */
export async function costsProgram(t: ExecutionContext): Promise<string | null> {
  if (!has(t, 'cc')) return null
  const { usage, usageHint } = await probe()
  if (!usage) return skipped(t, usageHint!) || null
  return compiled(t, 'pe-costs', join(import.meta.dirname, 'costs.c'))
}

/** Returns the exits of the short processes of a storm. */
export function shortOnes(exits: readonly ExitEvent[]): ExitEvent[] {
  return exits.filter(({ exitCode }) => exitCode === SHORT_CODE)
}

/** The number of pages that a process has touched, by its event. */
export type PagesOf = (event: ExitEvent) => number

/** Returns the number of pages that a process of a storm has touched. */
export const pagesOfStorm: PagesOf = ({ pid }) => 8 * (pid % 64)

/** Returns how many exits have a cost, and which have that of another process. */
export function checkedCosts(
  exits: readonly ExitEvent[],
  pages: PagesOf = pagesOfStorm,
): { matched: number; wrong: number[] } {
  const known = exits.filter(({ usage }) => usage !== null && usage !== undefined)
  // Each process has faults of its own beside those pages.
  const own = Math.min(...known.map((event) => event.usage!.minorFaults! - pages(event)))
  const isWrong = (event: ExitEvent): boolean => Math.abs(event.usage!.minorFaults! - own - pages(event)) > 3
  return { matched: known.length, wrong: known.filter(isWrong).map(({ pid }) => pid) }
}
