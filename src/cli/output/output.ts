/** Lines on their way to their reader: written in chunks, held while it is slow, skipped and counted past a bound. */
import type { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'

/** Bytes held for a slow reader unless the user chooses otherwise. A line may be as long as the arguments of a process. */
export const HELD_MAX: number = 16 * 2 ** 20
/** Bytes that are written at once. A single line may have more. */
const CHUNK_MAX = 64 * 1024
/** The most bytes that a unit of a JavaScript string takes in UTF-8. */
const BYTES_MAX = 3

/** The place that lines are written to: one chunk of whole lines after the other. */
export interface Target {
  /** The most bytes of a chunk of several lines. */
  readonly chunkMax?: number
  /** Calls `done` when the chunk is written. */
  write(chunk: Buffer, done: (error?: Error | null) => void): unknown
  /** `listener` is called when the reader has closed the stream, or writing has failed for good. */
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  /** Called when no more lines follow, and the last ones are still to be written. */
  finish?(): void
}

export interface OutputOptions {
  /** In bytes. A single line may have more. */
  readonly heldMax?: number
  /** Called with the number of skipped lines, once the reader has caught up. */
  readonly onSkipped?: (lines: number) => void
  /** Completes a line that is held. Skipped lines are not given to it. */
  readonly complete?: (line: string) => string
  /** The most bytes that it adds. */
  readonly completionMax?: number
}

export class Output {
  /** Resolves when the reader closes the stream. Rejects if writing fails otherwise. */
  readonly closed: Promise<void>
  readonly #target: Target
  readonly #heldMax: number
  readonly #chunkMax: number
  readonly #onSkipped: (lines: number) => void
  readonly #complete: (line: string) => string
  readonly #completionMax: number
  /** Chunks that are full, oldest first. Buffers, because strings of JavaScript take up to three times the memory. */
  #chunks: Buffer[] = []
  /** The lines of the next chunk. */
  #next = Buffer.allocUnsafeSlow(CHUNK_MAX)
  #nextBytes = 0
  /** Bytes of all held lines, with their ends, without the chunk that is being written. */
  #heldBytes = 0
  #count = 0
  #skippedNow = 0
  #skipped = 0
  #scheduled = false
  /** True while a chunk is written. The next one follows when it is done. */
  #writing = false
  #open = true
  #idle: (() => void) | null = null
  #roomy: (() => void) | null = null

  constructor(
    target: Target,
    { heldMax = HELD_MAX, onSkipped = () => {}, complete = (line) => line, completionMax = 0 }: OutputOptions = {},
  ) {
    this.#target = target
    this.#heldMax = heldMax
    this.#chunkMax = Math.min(target.chunkMax ?? CHUNK_MAX, CHUNK_MAX)
    this.#onSkipped = onSkipped
    this.#complete = complete
    this.#completionMax = completionMax
    this.closed = new Promise((resolve, reject) => {
      target.on('error', (error: NodeJS.ErrnoException) => {
        this.#open = false
        this.#drop()
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

  /** Lines so far that were written or wait. */
  get lines(): number {
    return this.#count
  }

  /** Lines skipped so far. */
  get skipped(): number {
    return this.#skipped + this.#skippedNow
  }

  /** Bytes of the lines that wait. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Returns true while lines are skipped, until the reader reads. */
  get isSkipping(): boolean {
    return this.#skippedNow > 0
  }

  line(text: string): void {
    if (!this.#open) return
    // After a skipped line, skip the following ones until the reader reads, so that the gap is in one place.
    if (this.#heldBytes > 0 && (this.#skippedNow > 0 || !this.#fits(text))) {
      this.#skippedNow++
      return
    }
    this.#hold(`${this.#complete(text)}\n`)
    this.#count++
    if (this.#writing) return
    if (this.#chunks.length > 0) return this.flush()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Writes the oldest chunk, unless the last one is still being written. */
  flush(): void {
    if (this.#writing || !this.#open || this.#heldBytes === 0) return
    if (this.#chunks.length === 0) this.#seal()
    const chunk = this.#chunks.shift()!
    this.#heldBytes -= chunk.length
    this.#writing = true
    this.#target.write(chunk, (error) => this.#written(error))
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
    this.#target.finish?.()
    this.flush()
    if (this.#open && this.#writing) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    if (!this.#open) await this.closed
  }

  /** Returns true if the line, when it is complete, is within the bytes that are held at most. */
  #fits(text: string): boolean {
    const room = this.#heldMax - this.#heldBytes - this.#completionMax - 1
    // Counting bytes takes as long as writing them.
    return text.length * BYTES_MAX <= room || Buffer.byteLength(text) <= room
  }

  #hold(line: string): void {
    let at = this.#nextBytes
    if (at + line.length * BYTES_MAX > this.#next.length) {
      const bytes = Buffer.byteLength(line)
      if (at + bytes > this.#next.length && at > 0) this.#seal()
      at = this.#nextBytes
      if (bytes > this.#next.length) {
        this.#chunks.push(Buffer.from(line))
        this.#heldBytes += bytes
        return
      }
    }
    const written = this.#next.write(line, at)
    if (at > 0 && at + written > this.#chunkMax) {
      // The line begins a chunk of its own.
      this.#seal()
      this.#next.copyWithin(0, at, at + written)
      at = 0
    }
    this.#nextBytes = at + written
    this.#heldBytes += written
  }

  #seal(): void {
    this.#chunks.push(Buffer.from(this.#next.subarray(0, this.#nextBytes)))
    this.#nextBytes = 0
  }

  #drop(): void {
    this.#chunks = []
    this.#nextBytes = 0
    this.#heldBytes = 0
  }

  #written(error: Error | null | undefined): void {
    // The stream's 'error' follows.
    if (error) return
    this.#writing = false
    this.flush()
    // The skipped lines are behind those that were held, so they are told behind them, as soon as a line fits.
    if (this.#skippedNow > 0 && this.#heldBytes * 2 < this.#heldMax) {
      const lines = this.#skippedNow
      this.#skipped += lines
      this.#skippedNow = 0
      this.#onSkipped(lines)
      this.flush()
    }
    if (this.#heldBytes * 2 < this.#heldMax) this.#roomy?.()
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
