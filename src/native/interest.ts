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

/** Events of some kinds, a mask, of the processes of which all that is given holds; and the details to capture, a mask. */
export interface Wish extends Narrow {
  readonly kinds: number
  readonly fields: number
}

/** Is told of each rule that comes or goes, at once. */
export interface RuleListener {
  addRule(rule: Wish): void
  removeRule(rule: Wish): void
}

/** The rules in force. Each is an object of its own, even where several ask the same. */
export class Wishes {
  readonly #all = new Set<Wish>()
  readonly #listener: RuleListener

  constructor(listener: RuleListener) {
    this.#listener = listener
  }

  add(rule: Wish): void {
    this.#all.add(rule)
    this.#listener.addRule(rule)
  }

  delete(rule: Wish): void {
    if (this.#all.delete(rule)) this.#listener.removeRule(rule)
  }

  list(): Wish[] {
    return [...this.#all]
  }
}
