/** The subscriptions: dispatch of a record to their callbacks, and the rules that they make. */
import { ProcessMonitorError, checkFlag, checkObject, checkOneOf, invalidArgType } from '../api/errors.js'
import type { EventOf, EventType, ProcessEvent } from '../api/event-types.js'
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from '../api/types.js'
import type { FilterRule, InterestBuilder } from '../native/interest.js'
import { EXEC, EXIT, type RecordView } from '../native/record-view.js'
import { EVENT_TYPES } from '../native/record.js'
import { onAbort } from './abort.js'
import { type Predicate, captureMask, checkSignal, compileFilter } from './filter.js'
import { Replay } from './replay.js'
import { type IndexEntry, SubscriptionIndex } from './subscription-index.js'

/** One callback, and the events that it is called with. */
interface Subscription extends IndexEntry {
  /** The place of the event's type in EVENT_TYPES. */
  readonly kind: number
  readonly callback: ProcessCallback<never>
  /** null: every event. */
  readonly matches: Predicate | null
  /** The tag of records whose process descends from the filter's ancestor; 0 where it names none. */
  readonly ancestorId: number
  /** The rule that the native part has for it. */
  readonly rule: FilterRule
  /** Lets go of whatever could end it later. */
  release: () => void
  /** While the processes already running are being reported to it alone. */
  activeReplay: ActiveReplay | null
  /** Whether it may still be called. */
  active: boolean
}

/** A replay that is under way. */
interface ActiveReplay {
  readonly replay: Replay
  readonly scan: number
  /** Asks for exits: else the execs of processes that have ended would pile up in it. */
  readonly rule: FilterRule
}

export class Registry {
  /** By kind. */
  #indexes: readonly SubscriptionIndex<Subscription>[] = newIndexes()
  readonly #interest: InterestBuilder
  readonly #scan: () => number
  /** Whether the scan at the start has begun to be reported: who comes later would miss some of it. */
  #hasBegun = false
  /** By the id of their scan, the subscriptions that wait for all of it. */
  readonly #replays = new Map<number, Subscription>()
  #lastPlace = 0

  /** Callbacks called so far. */
  executed = 0

  /** `scan` has the processes already running reported, and returns the id of that scan. */
  constructor(interest: InterestBuilder, scan: () => number) {
    this.#interest = interest
    this.#scan = scan
  }

  /** Checks the arguments as a user gave them, and subscribes; `ProcessMonitor.subscribe` tells the rest. */
  subscribe<T extends EventType>(
    type: T,
    callback: ProcessCallback<EventOf<T>>,
    options: SubscribeOptions,
  ): Unsubscribe {
    checkOneOf('type', type, EVENT_TYPES)
    if (typeof callback !== 'function') throw invalidArgType('callback', 'of type function', callback)
    checkObject('options', options)
    const { fields, matches, ancestorId, criteria } = compileFilter(options)
    const captured = captureMask(options.capture)
    const { signal, replay } = options
    checkSignal(signal)
    checkFlag('options.replay', replay)

    const kind = EVENT_TYPES.indexOf(type)
    const subscription: Subscription = {
      place: ++this.#lastPlace,
      kind,
      callback,
      matches,
      ancestorId,
      criteria,
      rule: { types: 1 << kind, fields: fields | captured, ...criteria },
      release: () => {},
      activeReplay: null,
      active: signal?.aborted !== true,
    }
    const unsubscribe = (): void => this.#remove(subscription)
    if (subscription.active) {
      this.#add(subscription)
      if (replay === true && kind === EXEC && this.#hasBegun) this.#replay(subscription)
      subscription.release = onAbort(signal, unsubscribe)
    }
    return Object.assign(() => unsubscribe(), { [Symbol.dispose]: unsubscribe })
  }

  /** Ends all subscriptions. */
  clear(): void {
    this.#replays.clear()
    this.#hasBegun = false
    const ended = this.#indexes
    this.#indexes = newIndexes()
    for (const { all } of ended) for (const subscription of all) this.#end(subscription)
  }

  /** Calls everybody whom a record concerns. Nothing is built of it if that is nobody. */
  dispatch(record: RecordView): void {
    const { scanId } = record
    const last = this.#lastPlace
    if (scanId !== null) {
      this.#hasBegun = true
      if (!record.isForAll) return this.#onScanEvent(scanId, record)
    } else if (this.#replays.size > 0) {
      for (const { activeReplay } of this.#replays.values()) activeReplay?.replay.flushPending(record)
    }
    const candidates = this.#indexes[record.kind]?.candidates(record)
    if (candidates === undefined) return
    for (const subscription of candidates) {
      // A callback before this one has subscribed it: the event is older than that.
      if (subscription.place > last) break
      // Asked at each turn: the callback before may have unsubscribed it, or stopped everything.
      if (!subscription.active || !passes(subscription, record)) continue
      if (subscription.activeReplay === null) this.#call(subscription, record.event)
      // What is left of the scan at the start is in the one of its own, too.
      else if (scanId === null) subscription.activeReplay.replay.hold(record.event)
    }
  }

  /** All that a scan has found has been dispatched. */
  onScanFinished(id: number): void {
    this.#hasBegun = true
    const subscription = this.#replays.get(id)
    if (subscription !== undefined) this.#endReplay(subscription)?.finish()
  }

  /** The source has ended by itself: what is left of its scans will not come. Subscriptions are kept. */
  onSourceEnd(): void {
    this.#hasBegun = false
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
        `This function is subscribed to '${EVENT_TYPES[kind]}' already. Unsubscribe it first, or subscribe another one.`,
      )
    }
    this.#interest.add(rule)
  }

  #replay(subscription: Subscription): void {
    const replay = new Replay((event) => this.#call(subscription, event))
    const rule = { types: 1 << EXIT, fields: 0 }
    // First, so that the scan finds the rules in force.
    this.#interest.add(rule)
    const scan = this.#scan()
    subscription.activeReplay = { replay, scan, rule }
    this.#replays.set(scan, subscription)
  }

  /** Returns the replay, if one was under way. */
  #endReplay(subscription: Subscription): Replay | null {
    const { activeReplay } = subscription
    if (activeReplay === null) return null
    subscription.activeReplay = null
    this.#replays.delete(activeReplay.scan)
    this.#interest.delete(activeReplay.rule)
    return activeReplay.replay
  }

  /** From here on it is not called, not even by a dispatch in progress. */
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
