/** The subscriptions: dispatches records to their callbacks, and keeps their filter rules. */
import { ProcessMonitorError, checkFlag, checkOneOf, invalidArgType } from '../api/errors.js'
import type { EventType, ProcessEvent } from '../api/event-types.js'
import { type KnownKeys, checkOptionsObject } from '../api/known-keys.js'
import type { ProcessCallback, Unsubscribe } from '../api/monitor-types.js'
import type { SubscribeOptions } from '../api/options.js'
import type { FilterRule, InterestBuilder } from '../native/interest.js'
import { EXEC, EXIT, type RecordView } from '../native/record-view.js'
import { EVENT_TYPES } from '../native/record.js'
import { onAbort } from './abort.js'
import { type Predicate, captureMask, checkSignal, compileFilter, fieldMask } from './filter.js'
import { checkLatency } from './options.js'
import { Replay } from './replay.js'
import type { StartReminder } from './start-reminder.js'
import { type IndexEntry, SubscriptionIndex } from './subscription-index.js'

/** One callback, and the events that it is called with. */
interface Subscription extends IndexEntry {
  /** The place of the event's type in EVENT_TYPES. */
  readonly kind: number
  readonly callback: ProcessCallback<never>
  /** null: every event matches. */
  readonly matches: Predicate | null
  /** The tag of records whose process descends from the filter's ancestor. 0: the filter has no ancestor. */
  readonly ancestorId: number
  /** The rule that the native part applies for it. */
  readonly rule: FilterRule
  /** Removes the abort listener. */
  release: () => void
  /** Its replay while the running processes are being reported to it. */
  activeReplay: ActiveReplay | null
  /** True while the callback may be called. */
  active: boolean
}

/** A replay in progress. */
interface ActiveReplay {
  readonly replay: Replay
  readonly scan: number
  /** Selects exits, so that the replay can drop pending execs of processes that have exited. */
  readonly rule: FilterRule
}

/** The known options of a subscription. */
export const SUBSCRIBE_OPTIONS: KnownKeys<SubscribeOptions> = {
  name: true,
  exe: true,
  cwd: true,
  commandLine: true,
  uid: true,
  cgroup: true,
  ancestor: true,
  capture: true,
  replay: true,
  recapture: true,
  maxLatency: true,
  signal: true,
}

const USAGE = fieldMask(['usage'])

export class Registry {
  /** By kind. */
  #indexes: readonly SubscriptionIndex<Subscription>[] = newIndexes()
  readonly #interest: InterestBuilder
  readonly #scan: () => number
  readonly #reminder: StartReminder
  /**
   * True once the first process of the bootstrap scan has been dispatched. A subscription added later needs its own scan.
   */
  #hasScanBegun = false
  /** The subscriptions with a replay, by the id of their scan. */
  readonly #replays = new Map<number, Subscription>()
  #lastPlace = 0

  /** Callbacks called so far. */
  executed = 0

  /** `scan` starts a scan of the running processes, and returns its id. */
  constructor(interest: InterestBuilder, reminder: StartReminder, scan: () => number) {
    this.#interest = interest
    this.#reminder = reminder
    this.#scan = scan
  }

  /** Checks the user's arguments, and subscribes. See `ProcessMonitor.subscribe`. */
  subscribe(type: EventType, callback: ProcessCallback<never>, options: SubscribeOptions): Unsubscribe {
    checkOneOf('type', type, EVENT_TYPES)
    if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback)
    checkOptionsObject(options, SUBSCRIBE_OPTIONS)
    const { fields, matches, ancestorId, criteria } = compileFilter(options)
    const captured = captureMask(options.capture)
    const { signal, replay, recapture, maxLatency } = options
    checkLatency(maxLatency)
    checkSignal(signal)
    checkFlag('options.replay', replay)
    checkFlag('options.recapture', recapture)
    const recaptured = recapture === true ? fieldMask(['comm', 'argv']) : 0

    const kind = EVENT_TYPES.indexOf(type)
    const subscription: Subscription = {
      place: ++this.#lastPlace,
      kind,
      callback,
      matches,
      ancestorId,
      criteria,
      rule: {
        types: 1 << kind,
        // Only an exit has a cost.
        fields: (fields | captured | recaptured) & (kind === EXIT ? ~0 : ~USAGE),
        ...(recapture === true ? { recapture } : {}),
        ...(maxLatency === undefined ? {} : { maxLatency }),
        ...criteria,
      },
      release: () => {},
      activeReplay: null,
      active: signal?.aborted !== true,
    }
    const unsubscribe = (): void => this.#remove(subscription)
    if (subscription.active) {
      this.#add(subscription)
      if (replay === true && kind === EXEC && this.#hasScanBegun) this.#replay(subscription)
      subscription.release = onAbort(signal, unsubscribe)
    }
    return Object.assign(() => unsubscribe(), { [Symbol.dispose]: unsubscribe })
  }

  /** Ends all subscriptions. */
  clear(): void {
    this.#replays.clear()
    this.#hasScanBegun = false
    const ended = this.#indexes
    this.#indexes = newIndexes()
    for (const { all } of ended) for (const subscription of all) this.#end(subscription)
  }

  /** Calls every subscription that matches the record. The event is built only if one does. */
  dispatch(record: RecordView): void {
    const { scanId } = record
    const last = this.#lastPlace
    if (scanId !== null) {
      this.#hasScanBegun = true
      if (!record.isForAll) return this.#onScanEvent(scanId, record)
    } else if (this.#replays.size > 0) {
      for (const { activeReplay } of this.#replays.values()) activeReplay?.replay.flushPending(record)
    }
    const candidates = this.#indexes[record.kind]?.candidates(record)
    if (candidates === undefined) return
    for (const subscription of candidates) {
      // An earlier callback of this record made this subscription. The event is older.
      if (subscription.place > last) break
      // Check for each, because an earlier callback may have ended this subscription or stopped the monitor.
      if (!subscription.active || !passes(subscription, record)) continue
      if (subscription.activeReplay === null) this.#call(subscription, record.event)
      // Skip the rest of the bootstrap scan: the subscription's own scan reports the same processes.
      else if (scanId === null) subscription.activeReplay.replay.hold(record.event)
    }
  }

  /** Handles the end of a scan: all of its processes have been dispatched. */
  onScanFinished(id: number): void {
    this.#hasScanBegun = true
    const subscription = this.#replays.get(id)
    if (subscription !== undefined) this.#endReplay(subscription)?.finish()
  }

  /** Handles the failure of the source. Its scans do not go on. Subscriptions are kept. */
  onSourceEnd(): void {
    this.#hasScanBegun = false
    for (const subscription of this.#replays.values()) this.#endReplay(subscription)?.finish()
  }

  #onScanEvent(scanId: number, record: RecordView): void {
    const subscription = this.#replays.get(scanId)
    if (subscription === undefined || !passes(subscription, record)) return
    subscription.activeReplay?.replay.onFound(record.event)
  }

  #call(subscription: Subscription, event: ProcessEvent): void {
    if (!subscription.active) return
    this.executed++
    try {
      subscription.callback(event.pid, event as never)
    } catch (error) {
      throwUncaught(error)
    }
  }

  #add(subscription: Subscription): void {
    const { kind, rule } = subscription
    if (!this.#indexes[kind]!.add(subscription)) {
      throw new ProcessMonitorError(
        'ERR_CALLBACK_REGISTERED',
        `callback: this function is already subscribed to '${EVENT_TYPES[kind]}'. Unsubscribe it first, or subscribe another function.`,
      )
    }
    this.#interest.add(rule)
    this.#reminder.onSubscribe()
  }

  #replay(subscription: Subscription): void {
    const replay = new Replay((event) => this.#call(subscription, event))
    const rule = { types: 1 << EXIT, fields: 0 }
    // Add the rule before the scan, so that it holds for every live event behind the scan.
    this.#interest.add(rule)
    const scan = this.#scan()
    subscription.activeReplay = { replay, scan, rule }
    this.#replays.set(scan, subscription)
  }

  /** Ends the replay, and returns it if there was one. */
  #endReplay(subscription: Subscription): Replay | null {
    const { activeReplay } = subscription
    if (activeReplay === null) return null
    subscription.activeReplay = null
    this.#replays.delete(activeReplay.scan)
    this.#interest.delete(activeReplay.rule)
    return activeReplay.replay
  }

  /** Ends a subscription. Its callback is not called again, not even by a dispatch in progress. */
  #remove(subscription: Subscription): void {
    if (!subscription.active) return
    this.#indexes[subscription.kind]!.delete(subscription)
    this.#end(subscription)
  }

  #end(subscription: Subscription): void {
    subscription.active = false
    subscription.release()
    this.#endReplay(subscription)
    this.#interest.delete(subscription.rule)
    this.#reminder.onUnsubscribe()
  }
}

function newIndexes(): SubscriptionIndex<Subscription>[] {
  return EVENT_TYPES.map(() => new SubscriptionIndex())
}

/** Throws a subscriber's exception as an uncaught one, after the current code, so that no other subscriber notices it. */
export function throwUncaught(error: unknown): void {
  process.nextTick(rethrow, error)
}

function rethrow(error: unknown): never {
  throw error
}

function passes({ matches, ancestorId }: Subscription, record: RecordView): boolean {
  if (ancestorId !== 0 && !record.hasAncestryTag(ancestorId)) return false
  return matches === null || matches(record)
}
