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
  /** The longest time by which these events may be delayed, in milliseconds. Default: that of the source. */
  readonly maxLatency?: number
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
  /** The number of rules that name each field, by its bit. */
  readonly #counts: number[] = []
  #fields = 0

  constructor(listener: RuleListener) {
    this.#listener = listener
  }

  /** The mask of the fields that the rules together capture. */
  get fields(): number {
    return this.#fields
  }

  add(rule: FilterRule): void {
    this.#rules.add(rule)
    this.#count(rule.fields, 1)
    this.#listener.addRule(rule)
  }

  delete(rule: FilterRule): void {
    if (!this.#rules.delete(rule)) return
    this.#count(rule.fields, -1)
    this.#listener.removeRule(rule)
  }

  list(): FilterRule[] {
    return [...this.#rules]
  }

  /** Counts per field, so that the cost does not depend on the number of rules. */
  #count(fields: number, by: 1 | -1): void {
    for (let bit = 0; 1 << bit <= fields; bit++) {
      if ((fields & (1 << bit)) === 0) continue
      const count = (this.#counts[bit] ?? 0) + by
      this.#counts[bit] = count
      if (count === 0) this.#fields &= ~(1 << bit)
      else this.#fields |= 1 << bit
    }
  }
}
