/** Random filters and processes from small vocabularies, so that they often match, and a model of matching. */
import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import type { EventType, ProcessField, ProcessFilter, ProcessInfo } from '../../../dist/index.js'

export const { KINDS, FIELDS } = createRequire(import.meta.url)('./records.cjs') as {
  KINDS: EventType[]
  FIELDS: ProcessField[]
}

export interface Regex {
  source: string
  flags: string
  lastIndex: number
}
export type TextField = 'name' | 'exe' | 'cwd' | 'commandLine' | 'cgroup'
export type Filter = { uid?: number } & { [K in TextField]?: string | Regex }

const text = fc.constantFrom('sh', 'bash', 'größer', '', 's h', 'SH\nsh', '😀h')
const pattern = fc.oneof(
  text,
  fc.record<Regex>({
    source: fc.constantFrom('s', 'h', '^s', 'h$', '^$', '', '.', '(?:s|b)+', 's h'),
    flags: fc.constantFrom('', 'g', 'y', 'gy', 'i', 'gu', 'm', 's'),
    lastIndex: fc.nat(4),
  }),
)
const uid = fc.constantFrom(0, 1000)

/** Filters with no condition, with one condition, or with any of them together. */
export const filters: fc.Arbitrary<Filter> = fc.oneof(
  fc.constant({}),
  fc.record({ name: pattern }),
  fc.record({ uid }),
  fc.record(
    { name: pattern, exe: pattern, cwd: pattern, commandLine: pattern, cgroup: pattern, uid },
    { requiredKeys: [] },
  ),
)

const unread = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 6 })

/** Processes, undefined if the exec was not seen. A detail is absent if not requested, and null if unreadable. */
export const processes: fc.Arbitrary<ProcessInfo | undefined> = fc.option(
  fc.record(
    {
      name: unread(text),
      exe: unread(text),
      cwd: unread(text),
      argv: unread(fc.array(text, { maxLength: 3 })),
      uid: unread(uid),
      cgroup: unread(text),
    },
    { requiredKeys: [] },
  ),
  { nil: undefined, freq: 6 },
)

/** Returns the fields that a filter needs. */
export function fieldsOf(filter: Filter): string[] {
  return Object.keys(filter).map((name) => (name === 'commandLine' ? 'argv' : name))
}

/** Returns true if a process passes a filter. The process is undefined if its exec was not seen. */
export function passes({ uid, ...texts }: Filter, process: ProcessInfo | undefined): boolean {
  if (uid === undefined && Object.keys(texts).length === 0) return true
  if (process === undefined || (uid !== undefined && process.uid !== uid)) return false
  return Object.entries(texts).every(([field, pattern]) => {
    const text = field === 'commandLine' ? process.argv?.join(' ') : process[field as 'name']
    if (typeof text !== 'string' || typeof pattern === 'string') return text === pattern
    // The flags g and y are removed, because they keep a state. With y, the match must begin at the start.
    const { source, flags } = pattern
    return new RegExp(flags.includes('y') ? `^(?:${source})` : source, flags.replaceAll(/[gy]/g, '')).test(text)
  })
}

/** Returns a filter in the form of the API, with a RegExp that has been used before. */
export function written(filter: Filter): ProcessFilter {
  const made = Object.entries(filter).map(([field, wanted]) => {
    if (typeof wanted !== 'object') return [field, wanted]
    return [field, Object.assign(new RegExp(wanted.source, wanted.flags), { lastIndex: wanted.lastIndex })]
  })
  return Object.fromEntries(made)
}
