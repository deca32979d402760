/** A lazily decoded record. Each field is decoded at most once and shared by all subscribers. */
import type { ProcessEvent, ProcessInfo } from '../api/event-types.js'
import type { Redact } from '../api/options.js'
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

/** The `kind` of an event record is the index of its type. */
export const EXEC: number = EVENT_TYPES.indexOf('exec')
export const EXIT: number = EVENT_TYPES.indexOf('exit')

/** The details that filters compare. null, for a detail that was not read or an unseen exec, matches nothing. */
export interface FilterSubject {
  readonly name: string | null
  readonly comm: string | null
  readonly exe: string | null
  readonly cwd: string | null
  readonly commandLine: string | null
  readonly cgroup: string | null
  readonly uid: number | null
}

export class RecordView implements FilterSubject {
  #buffer!: RecordBuffer
  #at = 0
  #name: string | null = null
  #comm: string | null = null
  #exe: string | null = null
  #cwd: string | null = null
  #commandLine: string | null = null
  #cgroup: string | null = null
  /** Read once, because any number of filters may ask for it. */
  #ancestryTags: ReadonlySet<number> | null = null
  #event: ProcessEvent | null = null
  readonly #redact: Redact | null
  readonly #redactFailed: (error: unknown) => void
  readonly #requested: () => number

  /** `redactFailed` receives the exceptions of `redact`. `requested` returns the mask of the fields to capture now. */
  constructor(redact: Redact | null, redactFailed: (error: unknown) => void, requested: () => number) {
    this.#redact = redact
    this.#redactFailed = redactFailed
    this.#requested = requested
  }

  /** Moves to the record at `at`. One object serves all records, because most records match no subscription. */
  seek(buffer: RecordBuffer, at: number): this {
    this.#buffer = buffer
    this.#at = at
    this.#name = null
    this.#comm = null
    this.#exe = null
    this.#cwd = null
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

  /** The id of the scan that found this process. null: the record has another origin. */
  get scanId(): number | null {
    const { words } = this.#buffer
    return this.kind === EXEC && originOf(words, this.#at) === 'bootstrap' ? words[this.#at + 5]! : null
  }

  /** False if the record belongs to the scan of one subscription. */
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

  get comm(): string | null {
    return (this.#comm ??= readText(this.#buffer, this.#at, 'comm'))
  }

  get exe(): string | null {
    return (this.#exe ??= readText(this.#buffer, this.#at, 'exe'))
  }

  get cwd(): string | null {
    return (this.#cwd ??= readText(this.#buffer, this.#at, 'cwd'))
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

  /** The public event, built at the first access. */
  get event(): ProcessEvent {
    return (this.#event ??= readEvent(this.#buffer, this.#at, this.#redacted(), this.#requested()))
  }

  #redacted(): ProcessInfo {
    const process = readProcess(this.#buffer, this.#at, this.#requested(), this.#name)
    const { argv } = process
    if (this.#redact === null || argv === undefined || argv === null) return process
    try {
      // Pass a copy, because `redact` may change its argument.
      return { ...process, argv: checkArguments(this.#redact([...argv], process)) }
    } catch (error) {
      this.#redactFailed(error)
      return { ...process, argv: null }
    }
  }
}

/** Returns a frozen copy, because the array belongs to the user's function. */
function checkArguments(argv: unknown): readonly string[] {
  const copy: readonly unknown[] | null = Array.isArray(argv) ? [...argv] : null
  if (copy?.every((argument) => typeof argument === 'string') === true) return Object.freeze(copy)
  throw new TypeError('options.redact must return an array of strings')
}
