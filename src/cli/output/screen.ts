/** A terminal that is drawn over and over: enters a screen of its own, and gives the old one back whatever happens. */
import { writeSync } from 'node:fs'
import type { ReadStream, WriteStream } from 'node:tty'
import { stripVTControlCharacters } from 'node:util'
import { widthOf } from './text.js'

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
/** Ctrl-C, Ctrl-Z: in raw mode they are keys like others. */
const [CTRL_C, CTRL_Z] = ['\x03', '\x1a']

export interface ScreenOptions {
  /** When what is shown has to be shown again. */
  readonly redraw: () => void
  readonly quit: () => void
}

export class Screen {
  readonly #stdout: WriteStream
  readonly #stdin: ReadStream
  readonly #redraw: () => void
  readonly #quit: () => void
  #isEntered = false
  /** Whether the terminal is still busy with the last frame: the next one is passed over. */
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
    // An exception nobody has caught ends here, too.
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

  /** At once: there may be no later. */
  leave(): void {
    if (!this.#isEntered) return
    this.#isEntered = false
    try {
      writeSync(process.stdout.fd, LEAVE)
      if (this.#stdin.isTTY) this.#stdin.setRawMode(false)
    } catch {
      // A terminal that is gone needs nothing back.
    }
  }

  /** Lines are written over those that stand there, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered || this.#isBusy) return
    this.#isBusy = true
    const { columns, rows } = this
    // In the last column the cursor stands on what it has written, which this would take away again.
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
