/** Numbers the lines of a stream of JSON, so that its reader notices gaps and duplicates. */
import { randomBytes } from 'node:crypto'

/** Bytes of a stream's id. Two of a million streams have the same one with a probability of 3 in 100,000,000. */
const ID_BYTES = 8

/** The most bytes that a number adds to a line. */
export const NUMBER_MAX: number = ',"stream":"","seq":'.length + 2 * ID_BYTES + String(Number.MAX_SAFE_INTEGER).length

export class LineNumbers {
  /** Differs in each run of the command. */
  readonly stream: string
  #next = 0
  #first: string | null = null

  constructor(stream: string = randomBytes(ID_BYTES).toString('hex')) {
    this.stream = stream
  }

  /** Lines so far. */
  get count(): number {
    return this.#next
  }

  /** The first line, which tells where the stream is from. null: there is none yet. */
  get first(): string | null {
    return this.#first
  }

  /** Adds the keys `stream` and `seq` to an object of JSON. */
  add(line: string): string {
    const numbered = `${line.slice(0, -1)},"stream":"${this.stream}","seq":${this.#next++}}`
    this.#first ??= numbered
    return numbered
  }
}
