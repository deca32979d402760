/** What a run came to: events counted as they are shown, and told in one line. */
import type { ExecEvent, ExitEvent } from '../event-types.js'
import { formatDuration, isFailed } from './lines.js'

export class Summary {
  #execs = 0
  #exits = 0
  #failed = 0

  add(event: ExecEvent | ExitEvent): void {
    if (event.type === 'exec') {
      this.#execs++
      return
    }
    this.#exits++
    if (isFailed(event)) this.#failed++
  }

  /** `lost` is what never arrived, `skipped` the lines that the reader of the output was too slow for. */
  toLine(elapsedMs: number, lost: number, skipped: number): string {
    const seconds = elapsedMs / 1000
    // A round minute and more reads better as such.
    const elapsed = seconds < 59.95 ? `${seconds.toFixed(1)} s` : formatDuration(elapsedMs * 1e6)
    const counted = `${plural(this.#execs, 'exec')} and ${plural(this.#exits, 'exit')} in ${elapsed}`
    const line = `${counted}, ${this.#failed} of them failed, ${plural(lost, 'event')} lost`
    return skipped === 0 ? line : `${line}, ${plural(skipped, 'line')} skipped`
  }
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
