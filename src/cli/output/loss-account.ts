/** Losses that cannot be told at once, because the output is full. They are added up, and told before what follows. */
import type { LossEntry } from '../../recording/entry.js'

export class LossAccount {
  readonly #pending = new Map<LossEntry['cause'], LossEntry>()

  add(loss: LossEntry): void {
    const { lost, recoveredExecs, recoveredExits, ...rest } = loss
    const before = this.#pending.get(loss.cause)
    this.#pending.set(loss.cause, {
      ...rest,
      lost: lost + (before?.lost ?? 0),
      recoveredExecs: recoveredExecs + (before?.recoveredExecs ?? 0),
      recoveredExits: recoveredExits + (before?.recoveredExits ?? 0),
    })
  }

  /** Returns one loss for each cause, and forgets them. */
  take(): LossEntry[] {
    const losses = [...this.#pending.values()]
    this.#pending.clear()
    return losses
  }
}
