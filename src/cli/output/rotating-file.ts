/** A file that lines are added to. It is renamed, and a new one is begun, at a size or each day. A full disk is waited for. */
import { EventEmitter } from 'node:events'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { OutputFile } from '../flags/stream.js'
import type { Target } from './output.js'

/** Errors that pass when there is room on the disk again. */
const PASSING = new Set(['ENOSPC', 'EDQUOT'])
const RETRY_MS = 1000
/** The owner reads and writes, and the group reads, because arguments may be confidential. */
const MODE = 0o640

const [write, fsync] = [promisify(fs.write), promisify(fs.fsync)]

export interface RotatingFileEvents {
  /** Returns the line that a new file begins with. null: there is none yet. */
  readonly header: () => string | null
  /** Called when writing begins to fail, and with null when it succeeds again. */
  readonly onTrouble: (error: Error | null) => void
}

export class RotatingFile extends EventEmitter implements Target {
  readonly chunkMax: number
  readonly #options: OutputFile
  readonly #events: RotatingFileEvents
  /** Without symbolic links, so that the file itself is renamed. */
  readonly #path: string
  #fd: number
  #size: number
  /** The day of the last line, as YYYY-MM-DD. */
  #day: string
  #isFull = false
  #isStuck = false
  #isFinishing = false
  #retry: (() => void) | null = null

  /** @throws Error if the file cannot be opened. */
  constructor(options: OutputFile, events: RotatingFileEvents) {
    super()
    this.#options = options
    this.#events = events
    this.chunkMax = options.rotateBytes ?? Infinity
    // Opening a pipe would wait for its reader.
    const found = fs.statSync(options.path, { throwIfNoEntry: false })
    if (found !== undefined && !found.isFile() && !found.isCharacterDevice())
      throw new Error(`--output: ${options.path} is no regular file`)
    this.#fd = fs.openSync(options.path, 'a+', MODE)
    this.#path = fs.realpathSync(options.path)
    if (found?.isFile() === false && (options.rotateBytes !== undefined || options.isDaily === true))
      throw new Error(`--rotate: ${options.path} is no regular file`)
    const { size, mtime } = fs.fstatSync(this.#fd)
    this.#size = size
    this.#day = dayOf(size === 0 ? new Date() : mtime)
    if (found?.isFile() === true && size > 0) this.#endLine()
  }

  /** Ends the last line of a run that could not write it to its end. */
  #endLine(): void {
    const last = Buffer.alloc(1)
    fs.readSync(this.#fd, last, 0, 1, this.#size - 1)
    if (last.toString() !== '\n') this.#size += fs.writeSync(this.#fd, '\n')
  }

  async write(chunk: Buffer, done: (error?: Error | null) => void): Promise<void> {
    try {
      await this.#write(chunk)
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException
      const named = Object.assign(new Error(`${this.#path}: ${message}`), { code })
      done(named)
      this.emit('error', named)
      return
    }
    done()
  }

  /** A full disk is an error from here on, because it is not waited for. */
  finish(): void {
    this.#isFinishing = true
    this.#retry?.()
  }

  /** Resolves when everything is on the disk. */
  async close(): Promise<void> {
    // The reader of the file misses nothing if this fails.
    await fsync(this.#fd).catch(() => {})
    fs.closeSync(this.#fd)
  }

  async #write(chunk: Buffer): Promise<void> {
    const today = dayOf(new Date())
    const { rotateBytes = Infinity, isDaily = false } = this.#options
    const isDue = this.#size + chunk.length > rotateBytes || (isDaily && today !== this.#day)
    if (isDue && this.#size > 0) {
      await this.#rotate()
      const header = this.#events.header()
      // The first chunk of a stream begins with it.
      if (header !== null && !chunk.subarray(0, header.length).equals(Buffer.from(header)))
        await this.#append(Buffer.from(`${header}\n`))
    }
    this.#day = today
    await this.#append(chunk)
  }

  /** Writes everything, from the byte on that was not written. */
  async #append(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      try {
        const { bytesWritten } = await write(this.#fd, bytes, at)
        at += bytesWritten
        this.#size += bytesWritten
        if (this.#isFull) this.#events.onTrouble(null)
        this.#isFull = false
      } catch (error) {
        if (this.#isFinishing || !isPassing(error)) throw error
        if (!this.#isFull) this.#events.onTrouble(error as Error)
        this.#isFull = true
        await this.#pause()
      }
    }
  }

  /** Gives the file its final name, and begins a new one. If that fails, the file goes on, and the next chunk tries again. */
  async #rotate(): Promise<void> {
    try {
      await fsync(this.#fd)
      const fd = this.#begin()
      fs.closeSync(this.#fd)
      this.#fd = fd
      this.#size = 0
      await syncFolder(this.#path)
      for (const old of rotatedFiles(this.#path).slice(0, -this.#options.keep)) fs.rmSync(old, { force: true })
      this.#isStuck = false
    } catch (error) {
      if (!this.#isStuck) this.#events.onTrouble(error as Error)
      this.#isStuck = true
    }
  }

  /** Returns a new file, which has taken the path. A reader finds a file there at any time. */
  #begin(): number {
    const path = this.#path
    const [fresh, old] = [`${path}.new`, freeName(path)]
    fs.rmSync(fresh, { force: true })
    const fd = fs.openSync(fresh, 'ax', MODE)
    try {
      fs.fchmodSync(fd, fs.fstatSync(this.#fd).mode & 0o777)
      // Another program may have taken the file away.
      if (hasPath(this.#fd, path)) fs.linkSync(path, old)
      fs.renameSync(fresh, path)
      return fd
    } catch (error) {
      fs.closeSync(fd)
      for (const other of [fresh, old]) fs.rmSync(other, { force: true })
      throw error
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS)
      this.#retry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#retry = null
  }
}

/** Returns the files that were renamed, oldest first. Their names have the time of that. */
export function rotatedFiles(path: string): string[] {
  const [folder, name] = [dirname(path), basename(path)]
  const isRotated = (other: string): boolean => other.startsWith(`${name}.`) && TIME.test(other.slice(name.length + 1))
  return namesIn(folder)
    .filter(isRotated)
    .sort()
    .map((other) => join(folder, other))
}

const TIME = /^\d{8}T\d{6}\.\d{3}Z$/

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

/** Returns a name behind those of all earlier files, even if the time of day was set back. */
function freeName(path: string): string {
  const last = rotatedFiles(path).at(-1) ?? ''
  for (let ms = Date.now(); ; ms++) {
    const name = join(dirname(path), `${basename(path)}.${compact(new Date(ms))}`)
    if (name > last) return name
    ms = Math.max(ms, timeOf(last))
  }
}

function compact(time: Date): string {
  return time.toISOString().replaceAll(/[-:]/g, '')
}

/** Returns the time in the name of a rotated file. */
function timeOf(path: string): number {
  const [, year, month, day, hour, minute, rest] = /\.(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(.+)$/.exec(path)!
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${rest}`)
}

function hasPath(fd: number, path: string): boolean {
  const [own, other] = [fs.fstatSync(fd), fs.statSync(path, { throwIfNoEntry: false })]
  return own.ino === other?.ino && own.dev === other.dev
}

/** Makes the names of a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const fd = fs.openSync(dirname(path), 'r')
  try {
    await fsync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function isPassing(error: unknown): boolean {
  return PASSING.has((error as NodeJS.ErrnoException).code ?? '')
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10)
}
