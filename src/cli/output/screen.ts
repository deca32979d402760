/** A terminal that is redrawn. Enters the alternate screen, and restores the old one in any case. */
import { writeSync } from 'node:fs'
import type { ReadStream, WriteStream } from 'node:tty'
import { stripVTControlCharacters } from 'node:util'
import { widthOf } from './text.js'

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
/** Ctrl-C and Ctrl-Z. In raw mode they are ordinary keys. */
const [CTRL_C, CTRL_Z] = ['\x03', '\x1a']

export interface ScreenOptions {
  /** Called when the screen must be redrawn. */
  readonly redraw: () => void
  readonly quit: () => void
}

export class Screen {
  readonly #stdout: WriteStream
  readonly #stdin: ReadStream
  readonly #redraw: () => void
  readonly #quit: () => void
  #isEntered = false
  /** True while the terminal is busy with the last frame. The next frame is then skipped. */
  #isBusy = false
  readonly #key = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) {
      if (key === 'q' || key === CTRL_C) this.#quit()
      else if (key === CTRL_Z) this.#suspend()
    }
  }
  readonly #continued = (): void => {
    if (!this.#isEntered) this.enter()
    this.#redraw()
  }
  readonly #exited = (): void => this.leave()

  constructor(stdout: WriteStream, stdin: ReadStream, { redraw, quit }: ScreenOptions) {
    this.#stdout = stdout
    this.#stdin = stdin
    this.#redraw = redraw
    this.#quit = quit
  }

  open(): void {
    this.enter()
    this.#stdout.on('resize', this.#redraw)
    process.on('SIGCONT', this.#continued)
    // An uncaught exception ends here, too.
    process.on('exit', this.#exited)
    if (this.#stdin.isTTY) this.#stdin.on('data', this.#key)
  }

  close(): void {
    this.#stdout.off('resize', this.#redraw)
    process.off('SIGCONT', this.#continued)
    process.off('exit', this.#exited)
    this.#stdin.off('data', this.#key)
    this.#stdin.pause()
    this.leave()
  }

  enter(): void {
    if (this.#stdin.isTTY) this.#stdin.setRawMode(true)
    this.#stdout.write(ENTER)
    this.#isEntered = true
  }

  /** Writes at once, because the process may be ending. */
  leave(): void {
    if (!this.#isEntered) return
    this.#isEntered = false
    try {
      writeSync(process.stdout.fd, LEAVE)
      if (this.#stdin.isTTY) this.#stdin.setRawMode(false)
    } catch {
      // A closed terminal needs no restoring.
    }
  }

  /** Overwrites the old lines, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered || this.#isBusy) return
    this.#isBusy = true
    const { columns, rows } = this
    // In the last column the cursor is on the last character, which this would erase.
    const rest = (line: string): string => (widthOf(stripVTControlCharacters(line)) < columns ? '\x1b[K' : '')
    const text = lines.map((line) => line + rest(line)).join('\n')
    this.#stdout.write(`\x1b[H${text}${lines.length < rows ? '\n\x1b[J' : ''}`, () => (this.#isBusy = false))
  }

  get columns(): number {
    return this.#stdout.columns || 80
  }

  get rows(): number {
    return this.#stdout.rows || 24
  }

  #suspend(): void {
    this.leave()
    process.kill(0, 'SIGTSTP')
  }
}
