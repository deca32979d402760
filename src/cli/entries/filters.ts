/** The filters of the command, on live events and on recorded ones. Each lists alternatives. */
import type { ProcessFilter } from '../../api/options.js'
import { compileFilter } from '../../monitor/filter.js'
import type { FilterSubject } from '../../native/record-view.js'
import type { Pattern, WatchFilter } from '../flags/args.js'
import { type Entry, type EventEntry, isEvent } from '../../recording/entry.js'

/** One of the filters that together select the processes. */
export interface MonitorFilter {
  readonly filter: ProcessFilter
  /** True: it selects only the processes of the filter `pid`, which the monitor does not check. */
  readonly isForPids: boolean
}

/** Returns filters for the monitor. A process that matches one of them is selected. */
export function monitorFilters(given: WatchFilter): MonitorFilter[] {
  const { pid = [], ancestor = [] } = given
  const filters = combinations(given)
  const others = withEach(filters, 'ancestor', ancestor).map((filter) => ({ filter, isForPids: false }))
  if (pid.length > 0) return [...filters.map((filter) => ({ filter, isForPids: true })), ...others]
  return ancestor.length > 0 ? others : filters.map((filter) => ({ filter, isForPids: false }))
}

const COMBINED = ['name', 'exe', 'commandLine', 'cgroup', 'uid'] as const

/** Returns each combination of one alternative of each property. */
function combinations(given: WatchFilter): readonly ProcessFilter[] {
  let filters: readonly ProcessFilter[] = [{}]
  for (const property of COMBINED) {
    const alternatives = given[property]
    if (alternatives !== undefined) filters = withEach(filters, property, alternatives)
  }
  return filters
}

/** Returns each filter with each value. */
function withEach(
  filters: readonly ProcessFilter[],
  property: keyof ProcessFilter,
  alternatives: readonly (Pattern | number)[],
): ProcessFilter[] {
  return filters.flatMap((filter) => alternatives.map((value) => Object.assign({}, filter, { [property]: value })))
}

/** Returns a predicate over recorded entries, to be called with each, in order. An entry that is no event always passes. */
export function entryFilter(given: WatchFilter): (entry: Entry) => boolean {
  const { pid = [], ancestor = [], container } = given
  const predicates = combinations(given).map((filter) => compileFilter(filter).matches)
  const isInContainer = containerMatcher(container)
  const isAnyProcess = pid.length === 0 && ancestor.length === 0
  const descendants = ancestor.map((one) => new RecordedDescendants(one))
  return (entry) => {
    if (!isEvent(entry)) return true
    // Each must see every entry.
    const descends = descendants.filter((one) => one.has(entry)).length > 0
    if (!isAnyProcess && !descends && !pid.includes(entry.pid)) return false
    const subject = filterSubject(entry)
    return predicates.some((matches) => matches === null || matches(subject)) && isInContainer(entry)
  }
}

/** Matches the part of a filter that the monitor does not apply. */
export function containerMatcher(alternatives: readonly Pattern[] | undefined): (entry: EventEntry) => boolean {
  if (alternatives === undefined) return () => true
  return ({ containerId: id }) =>
    id !== null && alternatives.some((one) => (typeof one === 'string' ? id.startsWith(one) : one.test(id)))
}

/** Finds the descendants of a process from recorded forks and parents. */
class RecordedDescendants {
  readonly #ancestor: number
  readonly #pids = new Set<number>()

  constructor(ancestor: number) {
    this.#ancestor = ancestor
  }

  has({ type, pid, ppid }: EventEntry): boolean {
    // A fork begins a new process, even if the exit of the earlier one was not recorded.
    if (type === 'fork') this.#pids.delete(pid)
    const isDescendant = this.#pids.has(pid) || ppid === this.#ancestor || (ppid !== null && this.#pids.has(ppid))
    if (type === 'exit') this.#pids.delete(pid)
    else if (isDescendant) this.#pids.add(pid)
    return isDescendant
  }
}

function filterSubject({ name, comm, pid, tid, exe, cwd, argv, uid, cgroup }: EventEntry): FilterSubject {
  // The comm of another thread is not that of the process.
  const isOfProcess = tid === undefined || tid === pid
  return { name, comm: isOfProcess ? comm : null, exe, cwd, commandLine: argv?.join(' ') ?? null, uid, cgroup }
}
