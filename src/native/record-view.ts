/** One native record, read as far as somebody wants it, and once, however many are told of it. */
import type { ProcessEvent, ProcessInfo } from '../api/event-types.js'
import type { Redact } from '../api/types.js'
import {
  EVENT_TYPES,
  FIRST_SCAN,
  type RecordBuffer,
  originOf,
  readArguments,
  readEvent,
  readAncestryTags,
  readProcess,
  readText,
  readUid,
  splitArguments,
} from './record.js'

/** The `kind` of a record is the place of its type. */
export const EXEC: number = EVENT_TYPES.indexOf('exec')
export const EXIT: number = EVENT_TYPES.indexOf('exit')

/** The details that filters compare. Null, for one not read or of a process whose exec was not seen, matches nothing. */
export interface FilterSubject {
  readonly name: string | null
  readonly exe: string | null
  readonly commandLine: string | null
  readonly cgroup: string | null
  readonly uid: number | null
}

export class RecordView implements FilterSubject {
  #buffer!: RecordBuffer
  #at = 0
  #name: string | null = null
  #exe: string | null = null
  #commandLine: string | null = null
  #cgroup: string | null = null
  /** Read once: as many may ask as there are numbers. */
  #ancestryTags: ReadonlySet<number> | null = null
  #event: ProcessEvent | null = null
  readonly #redact: Redact | null
  readonly #redactFailed: (error: unknown) => void

  /** `redactFailed` is given what `redact` throws. */
  constructor(redact: Redact | null, redactFailed: (error: unknown) => void) {
    this.#redact = redact
    this.#redactFailed = redactFailed
  }

  /** From here on it is the record at `at`. One object serves all records, since most are of interest to nobody. */
  seek(buffer: RecordBuffer, at: number): this {
    this.#buffer = buffer
    this.#at = at
    this.#name = null
    this.#exe = null
    this.#commandLine = null
    this.#cgroup = null
    this.#ancestryTags = null
    this.#event = null
    return this
  }

  get kind(): number {
    return this.#buffer.words[this.#at]! & 0xff
  }

  get pid(): number {
    return this.#buffer.words[this.#at + 2]!
  }

  /** The id of the scan that found this process running; null where the record is of another origin. */
  get scanId(): number | null {
    const { words } = this.#buffer
    return this.kind === EXEC && originOf(words, this.#at) === 'bootstrap' ? words[this.#at + 5]! : null
  }

  /** False where the record belongs to a scan that was made for one subscription only. */
  get isForAll(): boolean {
    return (this.scanId ?? FIRST_SCAN) <= FIRST_SCAN
  }

  /** Returns true if the process descends from the ancestor of the filter that has this number. */
  hasAncestryTag(ancestorId: number): boolean {
    this.#ancestryTags ??= new Set(readAncestryTags(this.#buffer.words, this.#at))
    return this.#ancestryTags.has(ancestorId)
  }

  get name(): string | null {
    return (this.#name ??= readText(this.#buffer, this.#at, 'name'))
  }

  get exe(): string | null {
    return (this.#exe ??= readText(this.#buffer, this.#at, 'exe'))
  }

  get cgroup(): string | null {
    return (this.#cgroup ??= readText(this.#buffer, this.#at, 'cgroup'))
  }

  get commandLine(): string | null {
    if (this.#commandLine !== null) return this.#commandLine
    const joined = readArguments(this.#buffer, this.#at)
    return (this.#commandLine = joined === null ? null : splitArguments(joined).join(' '))
  }

  get uid(): number | null {
    return readUid(this.#buffer.words, this.#at)
  }

  /** The public event: built when first asked for. */
  get event(): ProcessEvent {
    return (this.#event ??= readEvent(this.#buffer, this.#at, this.#redacted()))
  }

  #redacted(): ProcessInfo {
    const process = readProcess(this.#buffer, this.#at, this.#name)
    const { argv } = process
    if (this.#redact === null || argv === undefined || argv === null) return process
    try {
      // A copy: what it is told of the process beside stays whole, whatever it does to the arguments.
      return { ...process, argv: checkArguments(this.#redact([...argv], process)) }
    } catch (error) {
      this.#redactFailed(error)
      return { ...process, argv: null }
    }
  }
}

function checkArguments(argv: unknown): string[] {
  if (Array.isArray(argv) && argv.every((argument) => typeof argument === 'string')) return argv
  throw new TypeError('options.redact must return an array of strings')
}
