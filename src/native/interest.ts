/** The rules by which the native part filters events: it wakes JavaScript only for events that a subscription takes. */

/** The conditions of a filter that the native part can check. All of them must hold. */
export interface FilterCriteria {
  readonly name?: string
  readonly exe?: string
  readonly uid?: number
  readonly ancestor?: number
  /** The tag of records of the ancestor's descendants: a number of 1 or more that the facade chooses. */
  readonly ancestorId?: number
  /** The pid of the process itself. */
  readonly pid?: number
}

/** Selects events of some types of the processes that meet all criteria, and names the details to capture. */
export interface FilterRule extends FilterCriteria {
  /** A mask of event types. */
  readonly types: number
  /** A mask of the process's fields. */
  readonly fields: number
  /** True: reads the arguments and the comm again when a process renames itself. */
  readonly recapture?: boolean
}

/** Receives each rule as it is added or removed. */
export interface RuleListener {
  addRule(rule: FilterRule): void
  removeRule(rule: FilterRule): void
}

/** The rules in force. Each is an object of its own, even if several are equal. */
export class InterestBuilder {
  readonly #rules = new Set<FilterRule>()
  readonly #listener: RuleListener

  constructor(listener: RuleListener) {
    this.#listener = listener
  }

  add(rule: FilterRule): void {
    this.#rules.add(rule)
    this.#listener.addRule(rule)
  }

  delete(rule: FilterRule): void {
    if (this.#rules.delete(rule)) this.#listener.removeRule(rule)
  }

  list(): FilterRule[] {
    return [...this.#rules]
  }
}
