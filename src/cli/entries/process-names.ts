/** Remembers the names of processes, for their children and for processes that exit without an exec. */
import type { ProcessEvent } from '../../api/event-types.js'
import { defaultProcRoot } from '../../native/binding.js'
import { keptName } from '../../recording/text.js'
import { dropOldest } from './bounded.js'
import { parentOf } from '../../recording/entry.js'
import { nameOf } from './proc.js'

/** Processes that are remembered. Of others, /proc is asked. A filter may let an exec pass and the exit not. */
const KNOWN_MAX = 65_536

/** Processes whose name was asked for. */
const ASKED_MAX = 1024
/** Milliseconds that such a name holds. Events wait about as long until they are shown. */
const ASKED_MS = 100

export class ProcessNames {
  readonly #known = new Map<number, { readonly name: string | null; readonly ppid: number | null }>()
  readonly #asked = new Map<number, { readonly name: string | null; readonly untilMs: number }>()
  readonly #remembers: boolean
  readonly #procRoot: string

  /** Only where exits are told, too, is anything remembered: else it would never be forgotten. */
  constructor(remembers: boolean, from: string = defaultProcRoot()) {
    this.#remembers = remembers
    this.#procRoot = from
  }

  /** Remembers the name of a process that runs now, and that no event will report. */
  keep(pid: number): void {
    const name = nameOf(pid, this.#procRoot)
    if (name !== null) this.#remember(pid, name, null)
  }

  observe(event: ProcessEvent): void {
    if (!this.#remembers) return
    const { pid } = event
    this.#asked.delete(pid)
    if (event.type === 'exit') this.#known.delete(pid)
    else if (event.type === 'exec') this.#remember(pid, event.process.name ?? null, this.parentOf(event))
    else if (event.type === 'fork') this.#remember(pid, this.of(event.ppid), event.ppid)
  }

  #remember(pid: number, name: string | null, ppid: number | null): void {
    // The latest process is last.
    this.#known.delete(pid)
    this.#known.set(pid, { name: name === null ? null : keptName(name), ppid })
    dropOldest(this.#known, KNOWN_MAX)
  }

  /** Returns the name from earlier events. */
  known(pid: number): string | null {
    return this.#known.get(pid)?.name ?? null
  }

  /** Returns the parent in the event, or else the process that made the fork. */
  parentOf(event: ProcessEvent): number | null {
    return parentOf(event) ?? this.#known.get(event.pid)?.ppid ?? null
  }

  /** Returns the name of any running process. */
  of(pid: number | null): string | null {
    if (pid === null || pid === 0) return null
    return this.known(pid) ?? this.#ask(pid)
  }

  /** Asks /proc, once for many children of one parent. */
  #ask(pid: number): string | null {
    const nowMs = performance.now()
    const asked = this.#asked.get(pid)
    if (asked !== undefined && nowMs < asked.untilMs) return asked.name
    const name = nameOf(pid, this.#procRoot)
    this.#asked.delete(pid)
    this.#asked.set(pid, { name, untilMs: nowMs + ASKED_MS })
    dropOldest(this.#asked, ASKED_MAX)
    return name
  }
}
