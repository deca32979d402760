/** Those who are subscribed to events of one kind, in their order, and whom of them an event can concern. */
import type { Judged } from './filter.js'
import type { Narrow } from './wishes.js'

/** Of a subscription, what a roster must know. */
export interface Member {
  /** Grows from one subscription to the next. */
  readonly place: number
  /** Holds the exact name or exe that the process must have, if any. */
  readonly narrow: Narrow | null
}

/** Never changed, but replaced, so that a dispatch that runs over it stays whole. */
export class Roster<M extends Member> {
  readonly all: readonly M[]
  #index: Index<M> | null = null

  constructor(all: readonly M[] = []) {
    this.all = all
  }

  with(member: M): Roster<M> {
    return new Roster([...this.all, member])
  }

  without(member: M): Roster<M> {
    return new Roster(this.all.filter((other) => other !== member))
  }

  /** In their order, all but those who wait for an exact name, or exe, that this process has not: however many they are. */
  concerned(process: Judged): readonly M[] {
    const { open, byName, byExe } = (this.#index ??= indexOf(this.all))
    const named = byName.size === 0 ? undefined : byName.get(process.name)
    const placed = byExe.size === 0 ? undefined : byExe.get(process.exe)
    const some = named === undefined ? open : merged(open, named)
    return placed === undefined ? some : merged(some, placed)
  }
}

interface Index<M> {
  /** Whom any event can concern. */
  readonly open: readonly M[]
  readonly byName: ReadonlyMap<string | null, readonly M[]>
  /** Only those who do not ask for a name, too. */
  readonly byExe: ReadonlyMap<string | null, readonly M[]>
}

function indexOf<M extends Member>(members: readonly M[]): Index<M> {
  const index = { open: [] as M[], byName: new Map<string | null, M[]>(), byExe: new Map<string | null, M[]>() }
  for (const member of members) {
    const { name, exe } = member.narrow ?? {}
    if (name !== undefined) add(index.byName, name, member)
    else if (exe !== undefined) add(index.byExe, exe, member)
    else index.open.push(member)
  }
  return index
}

function add<M>(map: Map<string | null, M[]>, text: string, member: M): void {
  const others = map.get(text)
  if (others === undefined) map.set(text, [member])
  else others.push(member)
}

/** Two lists, each in its order, as one. */
function merged<M extends Member>(these: readonly M[], those: readonly M[]): readonly M[] {
  if (these.length === 0) return those
  const all: M[] = []
  let next = 0
  for (const that of those) {
    while (next < these.length && these[next]!.place < that.place) all.push(these[next++]!)
    all.push(that)
  }
  while (next < these.length) all.push(these[next++]!)
  return all
}
