/** Those who are subscribed to events of one kind, in their order, and whom of them an event can concern. */
import type { Judged } from './filter.js'
import type { Narrow } from '../native/interest.js'

/** Of a subscription, what a roster must know. */
export interface Member {
  /** Grows from one subscription to the next. */
  readonly place: number
  readonly callback: unknown
  /** Holds the exact name or exe that the process must have, if any. */
  readonly narrow: Narrow | null
}

type ByText<M> = Map<string | null, Set<M>>

/** Changes in place: an iteration that is under way gives members that are added last, and none that was deleted. */
export class Roster<M extends Member> {
  readonly #all = new Map<unknown, M>()
  /** Members that any event can concern. */
  readonly #open = new Set<M>()
  readonly #byName: ByText<M> = new Map()
  /** Members that ask for a name as well are in the map by name only. */
  readonly #byExe: ByText<M> = new Map()

  get all(): Iterable<M> {
    return this.#all.values()
  }

  /** Returns false, and adds nothing, if a member with this callback is there. */
  add(member: M): boolean {
    if (this.#all.has(member.callback)) return false
    this.#all.set(member.callback, member)
    const { name, exe } = member.narrow ?? {}
    if (name !== undefined) addTo(this.#byName, name, member)
    else if (exe !== undefined) addTo(this.#byExe, exe, member)
    else this.#open.add(member)
    return true
  }

  delete(member: M): void {
    this.#all.delete(member.callback)
    const { name, exe } = member.narrow ?? {}
    if (name !== undefined) deleteFrom(this.#byName, name, member)
    else if (exe !== undefined) deleteFrom(this.#byExe, exe, member)
    else this.#open.delete(member)
  }

  /** In their order, all but those who wait for an exact name, or exe, that this process has not: however many they are. */
  concerned(process: Judged): Iterable<M> {
    const named = this.#byName.size === 0 ? undefined : this.#byName.get(process.name)
    const placed = this.#byExe.size === 0 ? undefined : this.#byExe.get(process.exe)
    const some = named === undefined ? this.#open : merged(this.#open, named)
    return placed === undefined ? some : merged(some, placed)
  }
}

function addTo<M>(map: ByText<M>, text: string, member: M): void {
  const others = map.get(text)
  if (others === undefined) map.set(text, new Set([member]))
  else others.add(member)
}

function deleteFrom<M>(map: ByText<M>, text: string, member: M): void {
  const others = map.get(text)
  others?.delete(member)
  if (others?.size === 0) map.delete(text)
}

/** Two parts, each in its order, as one. */
function merged<M extends Member>(these: ReadonlySet<M> | M[], those: ReadonlySet<M>): ReadonlySet<M> | M[] {
  if (('size' in these ? these.size : these.length) === 0) return those
  return [...these, ...those].sort((one, other) => one.place - other.place)
}
