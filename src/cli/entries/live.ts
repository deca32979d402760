/** Subscribes to the monitor, and completes its events to entries. */
import { hostname } from 'node:os'
import type { EventType, ProcessEvent, ProcessField } from '../../api/event-types.js'
import type { ProcessMonitor } from '../../api/monitor-types.js'
import type { MonitorStats } from '../../api/stats.js'
import { getProcessMonitor } from '../../monitor/monitor.js'
import { probeUsage } from '../../native/binding.js'
import { memoized } from '../../redact/memo.js'
import { redactSecrets } from '../../redact/redact-secrets.js'
import { describe } from '../exit-codes.js'
import type { ShowOptions, WatchFilter } from '../flags/args.js'
import { version } from '../version.js'
import { now } from './clock.js'
import {
  type Entry,
  type HeartbeatEntry,
  type LossEntry,
  type NoteEntry,
  type StartEntry,
  eventEntry,
} from '../../recording/entry.js'
import { WallClock } from '../../recording/wall-clock.js'
import { monitorFilters } from './filters.js'
import { hostId } from './host-id.js'
import { bootId } from './proc.js'
import { ProcessNames } from './process-names.js'
import { Users } from './users.js'
import { onMonitorWarning } from './warnings.js'

export interface LiveOptions {
  readonly types: readonly EventType[]
  /** `container` is not applied. */
  readonly filter: WatchFilter
  readonly show: ShowOptions
  /** The time that an event may wait unless the user chooses another one, in milliseconds. */
  readonly latencyMs: number
  /** True: a filter reads it, though it is not shown. */
  readonly needsCgroup?: boolean
  /** True: every detail is captured, as for JSON. */
  readonly needsDetails?: boolean
  /** True: the costs of processes are read. */
  readonly needsUsage?: boolean
  /** One process of so many is selected. */
  readonly sample?: number
}

export class LiveEntries {
  readonly #options: LiveOptions
  readonly #onEntry: (entry: Entry) => void
  readonly #monitor: ProcessMonitor = getProcessMonitor()
  readonly #users = new Users()
  readonly #clock = new WallClock()
  /** Hides secrets in arguments. Here and not in the monitor, which must copy the arguments for a function of a user. */
  readonly #redact: (argv: readonly string[]) => readonly string[]
  readonly #names: ProcessNames
  /** The processes of the filter `pid` that have not exited. */
  readonly #pids: Set<number>
  /** The last event. Each subscription that it matches gets the same object. */
  #last: ProcessEvent | null = null
  #restoreWarnings: (() => void) | null = null
  readonly #begun = now()

  /** `onEntry` gets every entry, the processes already running among them; `fail` the error that has ended it for good. */
  constructor(options: LiveOptions, onEntry: (entry: Entry) => void, fail: (error: unknown) => void) {
    this.#options = options
    this.#onEntry = onEntry
    this.#names = new ProcessNames(options.types.includes('exit'))
    this.#redact = options.show.args === 'redacted' ? memoized(redactSecrets) : (argv) => argv
    const { pid = [], ancestor = [] } = options.filter
    this.#pids = new Set(pid)
    for (const one of ancestor) this.#names.keep(one)
    this.#monitor.on('error', fail)
    this.#monitor.on('restart', (error) => {
      this.#note('restart', `reading from the kernel failed and was taken up again: ${describe(error)}`, error.code)
    })
    this.#monitor.on('loss', ({ cause, lost, recoveredExecs, recoveredExits }) => {
      onEntry({ type: 'loss', ...now(), cause, lost, recoveredExecs, recoveredExits })
    })
  }

  /** Resolves when those that run already have been told, and from then on nothing is missed. */
  async start(): Promise<void> {
    const { types, filter, show, needsCgroup = false, needsDetails = show.json, needsUsage } = this.#options
    this.#restoreWarnings = onMonitorWarning((message, code) => this.#note('polling', message, code))
    const isAsked = needsUsage === true || (show.capture?.includes('usage') ?? needsDetails)
    const readsUsage = isAsked && types.includes('exit')
    const capture = fieldsFor(show, needsCgroup, needsDetails)
    if (readsUsage && !capture.includes('usage')) capture.push('usage')
    for (const one of monitorFilters(filter)) {
      for (const type of types) {
        const onEvent = (pid: number, event: ProcessEvent): void => {
          if (!one.isForPids || this.#pids.has(pid)) this.#onEvent(event)
        }
        this.#monitor.subscribe(type, onEvent, { ...one.filter, capture })
      }
    }
    const initialized = this.#monitor.initialize({
      source: show.source,
      maxLatency: show.latencyMs ?? this.#options.latencyMs,
    })
    for (const pid of this.#pids) this.#forgetAtExit(pid)
    await initialized
    if (show.source === 'polling') {
      this.#note(
        'polling',
        'Polling /proc, which may miss processes that live less than a millisecond, as --source says.',
        null,
      )
    }
    if (readsUsage) this.#checkUsage()
  }

  /** Says why costs are unknown, if they cannot be read. */
  #checkUsage(): void {
    const refusal = this.#monitor.stats().source === 'polling' ? NEEDS_NETLINK : probeUsage()
    if (refusal === null) return
    this.#note('usage', `CPU time and memory are unknown. ${refusal.usageHint}`, refusal.usageReason)
  }

  /** Returns the entry for the start of a recording. The source is known once it is open. */
  startEntry(): StartEntry {
    const { source, watching } = this.#monitor.stats()
    const { types: events, sample = 1 } = this.#options
    const place = { version: version(), host: hostname(), bootId: bootId() }
    const contents = { watching, hostId: hostId(), events, sample }
    return { type: 'start', ...this.#begun, ...place, clock: 'CLOCK_MONOTONIC', source, ...contents }
  }

  get stats(): MonitorStats {
    return this.#monitor.stats()
  }

  /** Returns a heartbeat of this moment. `output`: the figures of the output. */
  heartbeat(output: Pick<HeartbeatEntry, 'lostOutput' | 'heldBytes'>): HeartbeatEntry {
    const { events, exec, exit, lostSocket, lostQueue, resync, restart, ...stats } = this.#monitor.stats()
    const { captureTimeouts, detailsDropped, unseen, exitsWithoutStatus, usageLost, queueDepth, trackedProcesses } =
      stats
    const { user, system } = process.cpuUsage()
    return {
      type: 'heartbeat',
      ...now(),
      events,
      exec,
      exit,
      lostSocket,
      lostQueue,
      lostOutput: output.lostOutput,
      resync,
      restart,
      captureTimeouts,
      detailsDropped,
      unseen,
      exitsWithoutStatus,
      usageLost,
      queueDepth,
      heldBytes: output.heldBytes,
      trackedProcesses,
      cpuNs: (user + system) * 1000,
      rssBytes: process.memoryUsage.rss(),
    }
  }

  /** Delivers what the kernel has reported until now. */
  async flush(): Promise<void> {
    // The monitor is not initialized, or reports its failure itself.
    await this.#monitor.flush().catch(() => {})
  }

  /** Delivers the events until now, and ends. */
  async stop(): Promise<void> {
    await this.flush()
    this.#restoreWarnings?.()
    await this.#monitor.stop()
  }

  /** Returns the events that were lost, without the `reported` ones. */
  unreported(reported: number): LossEntry | null {
    const { lostSocket, lostQueue } = this.#monitor.stats()
    const lost = lostSocket + lostQueue - reported
    if (lost <= 0) return null
    const cause = lostSocket > 0 ? 'socket' : 'queue'
    return { type: 'loss', ...now(), cause, lost, recoveredExecs: 0, recoveredExits: 0 }
  }

  /** A later process with that pid is another one. The exit itself is dispatched before the promise settles. */
  #forgetAtExit(pid: number): void {
    const forget = (): void => void this.#pids.delete(pid)
    // The monitor emits its own failure as well.
    this.#monitor.waitForExit(pid).then(forget, forget)
  }

  #onEvent(event: ProcessEvent): void {
    if (event === this.#last) return
    this.#last = event
    const { pid, process: known } = event
    const uid = known.uid ?? null
    const ppid = this.#names.parentOf(event)
    if (event.type === 'fork') this.#names.observe(event)
    const entry = eventEntry(event, {
      inheritedName: this.#names.known(pid),
      ppid,
      parentName: this.#names.of(ppid),
      user: uid === null ? null : this.#users.nameOf(uid),
      showsArguments: this.#options.show.args !== 'hidden',
      redact: this.#redact,
      timeNs: this.#clock.timeNs(event.timeMs, event.timestampNs),
    })
    if (event.type !== 'fork') this.#names.observe(event)
    this.#onEntry(entry)
  }

  #note(note: NoteEntry['note'], message: string, code: string | null): void {
    this.#onEntry({ type: 'note', ...now(), note, code, message })
  }
}

const NEEDS_NETLINK = { usageReason: null, usageHint: "They need the kernel's process connector." }

/** Returns the fields to capture. Expensive ones are captured only if they are shown. */
function fieldsFor({ args, capture }: ShowOptions, needsCgroup: boolean, needsDetails: boolean): ProcessField[] {
  const shown: ProcessField[] = ['name', 'ppid', 'uid', 'argv']
  if (needsDetails) shown.push('exe', 'comm', 'cwd', 'gid', 'loginUid', 'startTime', 'cgroup')
  const fields = new Set(capture ?? shown)
  if (args === 'hidden') fields.delete('argv')
  if (needsCgroup) fields.add('cgroup')
  return [...fields]
}
