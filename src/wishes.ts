/** What the native part is told of the subscriptions' filters, so that JavaScript is not woken for what nobody takes. */

/** What a filter asks that the native part can judge; all of it must hold. */
export interface Narrow {
  readonly name?: string
  readonly exe?: string
  readonly uid?: number
  readonly ancestor?: number
  /** The facade's number for this wish to follow an ancestor: 1 or more. */
  readonly ancestorId?: number
  /** The process itself. */
  readonly pid?: number
}

/** Events of some kinds, a mask, of the processes of which all that is given holds. */
export interface Wish extends Narrow {
  readonly kinds: number
}

/** Collects wishes; those that ask the same are one. */
export class Wishes {
  /** The kinds that somebody wants all events of. */
  #whole = 0
  readonly #narrow = new Map<string, Wish>()

  add(kinds: number, narrow: Narrow | null): void {
    if (narrow === null) {
      this.#whole |= kinds
      return
    }
    const key = JSON.stringify(narrow)
    this.#narrow.set(key, { ...narrow, kinds: (this.#narrow.get(key)?.kinds ?? 0) | kinds })
  }

  /** The mask of all kinds that are wanted at all. */
  get kinds(): number {
    let kinds = this.#whole
    for (const wish of this.#narrow.values()) kinds |= wish.kinds
    return kinds
  }

  /** undefined: all events of all kinds that are wanted. */
  list(): readonly Wish[] | undefined {
    // Following an ancestor is what a record's marks come from, whoever else wants the event.
    const open = [...this.#narrow.values()].filter(
      ({ kinds, ancestor }) => ancestor !== undefined || (kinds & ~this.#whole) !== 0,
    )
    if (open.length === 0) return undefined
    return this.#whole === 0 ? open : [{ kinds: this.#whole }, ...open]
  }
}
