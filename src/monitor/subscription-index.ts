/** The subscriptions to events of one type, in order, indexed by the exact name or exe that they require. */
import type { FilterCriteria } from '../native/interest.js'
import type { FilterSubject } from '../native/record-view.js'

/** The properties of a subscription that the index needs. */
export interface IndexEntry {
  /** The position in the order of subscriptions. Later ones have a greater place. */
  readonly place: number
  readonly callback: unknown
  /** Holds the exact name or exe that the process must have, if any. */
  readonly criteria: FilterCriteria | null
}

type ByText<E> = Map<string | null, Set<E>>

/** An iteration in progress sees entries that are added behind its position, and no deleted ones. */
export class SubscriptionIndex<E extends IndexEntry> {
  readonly #all = new Map<unknown, E>()
  /** Entries that require no exact name or exe. */
  readonly #open = new Set<E>()
  readonly #byName: ByText<E> = new Map()
  /** Entries that require an exe but no name. */
  readonly #byExe: ByText<E> = new Map()

  get all(): Iterable<E> {
    return this.#all.values()
  }

  /** Adds an entry. Returns false, and adds nothing, if it has an entry with this callback. */
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

  /**
   * Returns, in order, the entries that can match this process. Those that require another name or exe cost nothing. The
   * name of a process may be that of its exec or its present comm.
   */
  candidates(process: FilterSubject): Iterable<E> {
    const withName = this.#byName.size === 0 ? undefined : this.#byName.get(process.name)
    const isRenamed = this.#byName.size > 0 && process.comm !== process.name
    const withComm = isRenamed ? this.#byName.get(process.comm) : undefined
    const withExe = this.#byExe.size === 0 ? undefined : this.#byExe.get(process.exe)
    let entries: ReadonlySet<E> | E[] = this.#open
    for (const more of [withName, withComm, withExe]) if (more !== undefined) entries = merged(entries, more)
    return entries
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

/** Merges two ordered sets. */
function merged<E extends IndexEntry>(first: ReadonlySet<E> | E[], second: ReadonlySet<E>): ReadonlySet<E> | E[] {
  if (('size' in first ? first.size : first.length) === 0) return second
  return [...first, ...second].sort((a, b) => a.place - b.place)
}
