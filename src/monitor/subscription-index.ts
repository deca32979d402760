/** The subscriptions to events of one type, in their order, by the exact name or exe that they ask for. */
import type { FilterCriteria } from '../native/interest.js'
import type { FilterSubject } from '../native/record-view.js'

/** The properties of a subscription that the index needs. */
export interface IndexEntry {
  /** Grows from one subscription to the next. */
  readonly place: number
  readonly callback: unknown
  /** Holds the exact name or exe that the process must have, if any. */
  readonly criteria: FilterCriteria | null
}

type ByText<E> = Map<string | null, Set<E>>

/** Changes in place: an iteration that is under way gives entries that are added last, and none that was deleted. */
export class SubscriptionIndex<E extends IndexEntry> {
  readonly #all = new Map<unknown, E>()
  /** Entries that any event can concern. */
  readonly #open = new Set<E>()
  readonly #byName: ByText<E> = new Map()
  /** Entries that ask for a name as well are in the map by name only. */
  readonly #byExe: ByText<E> = new Map()

  get all(): Iterable<E> {
    return this.#all.values()
  }

  /** Returns false, and adds nothing, if an entry with this callback is there. */
  add(entry: E): boolean {
    if (this.#all.has(entry.callback)) return false
    this.#all.set(entry.callback, entry)
    const { name, exe } = entry.criteria ?? {}
    if (name !== undefined) addTo(this.#byName, name, entry)
    else if (exe !== undefined) addTo(this.#byExe, exe, entry)
    else this.#open.add(entry)
    return true
  }

  delete(entry: E): void {
    this.#all.delete(entry.callback)
    const { name, exe } = entry.criteria ?? {}
    if (name !== undefined) deleteFrom(this.#byName, name, entry)
    else if (exe !== undefined) deleteFrom(this.#byExe, exe, entry)
    else this.#open.delete(entry)
  }

  /** Returns, in their order, the entries with this process's name or exe, and those that ask for no exact one. */
  candidates(process: FilterSubject): Iterable<E> {
    const named = this.#byName.size === 0 ? undefined : this.#byName.get(process.name)
    const placed = this.#byExe.size === 0 ? undefined : this.#byExe.get(process.exe)
    const some = named === undefined ? this.#open : merged(this.#open, named)
    return placed === undefined ? some : merged(some, placed)
  }
}

function addTo<E>(map: ByText<E>, text: string, entry: E): void {
  const others = map.get(text)
  if (others === undefined) map.set(text, new Set([entry]))
  else others.add(entry)
}

function deleteFrom<E>(map: ByText<E>, text: string, entry: E): void {
  const others = map.get(text)
  others?.delete(entry)
  if (others?.size === 0) map.delete(text)
}

/** Two parts, each in its order, as one. */
function merged<E extends IndexEntry>(these: ReadonlySet<E> | E[], those: ReadonlySet<E>): ReadonlySet<E> | E[] {
  if (('size' in these ? these.size : these.length) === 0) return those
  return [...these, ...those].sort((one, other) => one.place - other.place)
}
