/** Entries as they happen: subscribes to the monitor, and adds to its events what they do not tell. */
import type { EventType, ProcessEvent, ProcessField } from '../../api/event-types.js'
import { getProcessMonitor } from '../../monitor/monitor.js'
import type { ProcessFilter, ProcessMonitor } from '../../api/types.js'
import type { ShowOptions } from '../flags/args.js'
import { WallClock } from './clock.js'
import { type Entry, type LossEntry, type NoteEntry, eventEntry } from './entry.js'
import { Names } from './process-names.js'
import { describe } from '../exit-codes.js'
import { redact } from './redact/redact.js'
import { Users } from './users.js'
import { onMonitorWarning } from './warnings.js'

export interface Wanted {
  readonly types: readonly EventType[]
  readonly filter: ProcessFilter
  readonly show: ShowOptions
  /** Whether somebody looks at it, though it is not shown. */
  readonly needsCgroup?: boolean
}

export class Live {
  readonly #wanted: Wanted
  readonly #tell: (entry: Entry) => void
  readonly #monitor: ProcessMonitor = getProcessMonitor()
  readonly #clock = new WallClock()
  readonly #users = new Users()
  readonly #names: Names
  #restoreWarnings: (() => void) | null = null

  /** `tell` gets every entry, the processes already running among them; `fail` the error that has ended it for good. */
  constructor(wanted: Wanted, tell: (entry: Entry) => void, fail: (error: unknown) => void) {
    this.#wanted = wanted
    this.#tell = tell
    this.#names = new Names(wanted.types.includes('exit'))
    if (wanted.filter.ancestor !== undefined) this.#names.keep(wanted.filter.ancestor)
    this.#monitor.on('error', fail)
    this.#monitor.on('restart', (error) => {
      this.#note('restart', `reading from the kernel failed and was taken up again: ${describe(error)}`, error.code)
    })
    this.#monitor.on('loss', ({ cause, lost, recoveredExecs, recoveredExits }) => {
      tell({ type: 'loss', ...this.#now(), cause, lost, recoveredExecs, recoveredExits })
    })
  }

  /** Resolves when those that run already have been told, and from then on nothing is missed. */
  async start(): Promise<void> {
    const { types, filter, show, needsCgroup = false } = this.#wanted
    this.#restoreWarnings = onMonitorWarning((message, code) => this.#note('polling', message, code))
    const capture = fieldsFor(show, needsCgroup)
    for (const type of types) this.#monitor.subscribe(type, (_pid, event) => this.#hear(event), { ...filter, capture })
    await this.#monitor.initialize({ source: show.source, ...(show.args === 'redacted' ? { redact } : {}) })
    if (show.source === 'polling') {
      this.#note('polling', 'Polling /proc, which misses short-lived processes, as --source says.', null)
    }
  }

  /** Nothing is told any more. */
  async stop(): Promise<void> {
    this.#restoreWarnings?.()
    await this.#monitor.stop()
  }

  /** Events that were lost, of which `told` have been told. */
  unreported(told: number): LossEntry | null {
    const { lostSocket, lostQueue } = this.#monitor.stats()
    const lost = lostSocket + lostQueue - told
    if (lost <= 0) return null
    const cause = lostSocket > 0 ? 'socket' : 'queue'
    return { type: 'loss', ...this.#now(), cause, lost, recoveredExecs: 0, recoveredExits: 0 }
  }

  #hear(event: ProcessEvent): void {
    const { pid, timestampNs, process: known } = event
    const uid = known.uid ?? null
    const ppid = this.#names.parentOf(event)
    if (event.type === 'fork') this.#names.hear(event)
    const entry = eventEntry(event, {
      time: this.#clock.timeOf(timestampNs),
      inheritedName: this.#names.known(pid),
      ppid,
      parentName: this.#names.of(ppid),
      user: uid === null ? null : this.#users.nameOf(uid),
      showsArguments: this.#wanted.show.args !== 'hidden',
    })
    if (event.type !== 'fork') this.#names.hear(event)
    this.#tell(entry)
  }

  #note(note: NoteEntry['note'], message: string, code: string | null): void {
    this.#tell({ type: 'note', ...this.#now(), note, code, message })
  }

  #now(): { time: string; timestampNs: number } {
    return moment(this.#clock)
  }
}

/** Now, on both clocks. */
export function moment(clock: WallClock): { time: string; timestampNs: number } {
  const timestampNs = Number(process.hrtime.bigint())
  return { time: clock.timeOf(timestampNs).toISOString(), timestampNs }
}

/** What costs more to read is read only where it is shown. */
function fieldsFor({ json, args }: ShowOptions, needsCgroup: boolean): ProcessField[] {
  const fields: ProcessField[] = ['name', 'ppid', 'uid']
  if (args !== 'hidden') fields.push('argv')
  if (json) fields.push('exe')
  if (json || needsCgroup) fields.push('cgroup')
  return fields
}
