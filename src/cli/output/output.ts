/** Lines on their way to stdout: written in batches, held while its reader is slow, skipped and counted past a bound. */
import type { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'

/** Bytes held for a slow reader at most. A line may be as long as the arguments of a process. */
const HELD_MAX = 16 * 2 ** 20

export interface OutputOptions {
  /** In bytes. A single line may have more. */
  readonly heldMax?: number
  /** Called with the number of skipped lines, once the reader has caught up. */
  readonly onSkipped?: (lines: number) => void
}

export class Output {
  /** Resolves when the reader closes the stream. Rejects if writing fails otherwise. */
  readonly closed: Promise<void>
  readonly #stream: Writable
  readonly #heldMax: number
  readonly #onSkipped: (lines: number) => void
  #held: string[] = []
  /** Bytes, with the ends of the lines. */
  #heldBytes = 0
  #skippedNow = 0
  #skipped = 0
  #scheduled = false
  /** True while a batch is written. The next one follows when it is done. */
  #writing = false
  #open = true
  #idle: (() => void) | null = null
  #roomy: (() => void) | null = null

  constructor(stream: Writable, { heldMax = HELD_MAX, onSkipped = () => {} }: OutputOptions = {}) {
    this.#stream = stream
    this.#heldMax = heldMax
    this.#onSkipped = onSkipped
    this.closed = new Promise((resolve, reject) => {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        this.#open = false
        this.#take()
        this.#idle?.()
        this.#roomy?.()
        if (error.code === 'EPIPE') resolve()
        else reject(error)
      })
    })
    // Callers that await `closed` or `end()` get the rejection.
    this.closed.catch(() => {})
  }

  /** Returns true if the reader is still there. */
  get open(): boolean {
    return this.#open
  }

  /** Lines skipped so far. */
  get skipped(): number {
    return this.#skipped + this.#skippedNow
  }

  line(text: string): void {
    if (!this.#open) return
    const bytes = Buffer.byteLength(text) + 1
    // After a skipped line, skip the following ones until the reader reads, so that the gap is in one place.
    if (this.#heldBytes > 0 && (this.#skippedNow > 0 || this.#heldBytes + bytes > this.#heldMax)) {
      this.#skippedNow++
      return
    }
    this.#held.push(text)
    this.#heldBytes += bytes
    if (this.#scheduled || this.#writing) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Writes the held lines, unless the last batch is still being written. */
  flush(): void {
    if (this.#writing || !this.#open || this.#held.length === 0) return
    const batch = `${this.#take().join('\n')}\n`
    this.#writing = true
    this.#stream.write(batch, (error) => this.#written(error))
  }

  /** Resolves when more lines can be held without skipping any. */
  async room(): Promise<void> {
    if (!this.#open || this.#heldBytes * 2 < this.#heldMax) return
    this.flush()
    await new Promise<void>((resolve) => {
      this.#roomy = resolve
    })
  }

  /** Resolves when all lines are written, or the reader has closed the stream. Rejects if writing fails otherwise. */
  async end(): Promise<void> {
    this.flush()
    if (this.#open && this.#writing) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    if (!this.#open) await this.closed
  }

  #take(): string[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    return held
  }

  #written(error: Error | null | undefined): void {
    // The stream's 'error' follows.
    if (error) return
    this.#writing = false
    this.flush()
    this.#roomy?.()
    if (this.#skippedNow > 0) {
      const lines = this.#skippedNow
      this.#skipped += lines
      this.#skippedNow = 0
      this.#onSkipped(lines)
    }
    if (!this.#writing) this.#idle?.()
  }
}

/** Writes a whole text. Resolves even if the reader closes the stream early. */
export function print(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Without a listener the error would be thrown. The callback of the write gets it, too.
    stream.on('error', () => {})
    stream.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
      if (error && error.code !== 'EPIPE') reject(error)
      else resolve()
    })
  })
}

/** FORCE_COLOR decides, then NO_COLOR, then what the terminal can show. */
export function wantsColors(stream: Partial<WriteStream>, env: NodeJS.ProcessEnv): boolean {
  // Not every Node.js 20 has it.
  if (typeof styleText !== 'function') return false
  const { FORCE_COLOR: force, NO_COLOR: no } = env
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (no !== undefined && no !== '') return false
  return stream.isTTY === true && stream.hasColors?.(env) === true
}
