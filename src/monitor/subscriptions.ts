/** The subscriptions: dispatch of a record to their callbacks, and the rules that they make. */
import { onAbort } from './abort.js'
import { ProcessMonitorError, checkFlag, checkObject, checkOneOf, invalidArgType } from '../api/errors.js'
import { EVENT_TYPES } from '../native/record.js'
import type { EventOf, EventType, ProcessEvent } from '../api/event-types.js'
import { type Predicate, captureMask, checkSignal, compileFilter } from './filter.js'
import { EXEC, EXIT, type Reading } from '../native/record-view.js'
import { Replay } from './replay.js'
import { type Member, Roster } from './subscription-index.js'
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from '../api/types.js'
import type { Wish, Wishes } from '../native/interest.js'

/** One callback's wish. */
interface Subscription extends Member {
  /** The place of the event's type in EVENT_TYPES. */
  readonly kind: number
  readonly callback: ProcessCallback<never>
  /** null: every event. */
  readonly matches: Predicate | null
  /** What a record is marked with if its process descends from the ancestor that the filter names; 0 where it names none. */
  readonly ancestorId: number
  /** The rule that the native part has for it. */
  readonly rule: Wish
  /** Lets go of whatever could end it later. */
  release: () => void
  /** While the processes already running are being reported to it alone. */
  running: Running | null
  /** Whether it may still be called. */
  active: boolean
}

/** A replay that is under way. */
interface Running {
  readonly replay: Replay
  readonly scan: number
  /** Asks for exits: else the execs of processes that have ended would pile up in it. */
  readonly rule: Wish
}

export class Registry {
  /** By kind. */
  #rosters: readonly Roster<Subscription>[] = rosters()
  readonly #wishes: Wishes
  readonly #scan: () => number
  /** Whether the scan at the start has begun to be reported: who comes later would miss some of it. */
  #hasBegun = false
  /** By the id of their scan, the subscriptions that wait for all of it. */
  readonly #replays = new Map<number, Subscription>()
  #lastPlace = 0

  /** Callbacks called so far. */
  executed = 0

  /** `scan` has the processes already running reported, and returns the id of that scan. */
  constructor(wishes: Wishes, scan: () => number) {
    this.#wishes = wishes
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
    const { fields, matches, ancestorId, narrow } = compileFilter(options)
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
      narrow,
      rule: { kinds: 1 << kind, fields: fields | captured, ...narrow },
      release: () => {},
      running: null,
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
    const ended = this.#rosters
    this.#rosters = rosters()
    for (const { all } of ended) for (const subscription of all) this.#end(subscription)
  }

  /** Calls everybody whom a record concerns. Nothing is built of it if that is nobody. */
  dispatch(reading: Reading): void {
    const { scan } = reading
    const last = this.#lastPlace
    if (scan !== null) {
      this.#hasBegun = true
      if (!reading.isForAll) return this.#found(scan, reading)
    } else if (this.#replays.size > 0) {
      for (const { running } of this.#replays.values()) running?.replay.precede(reading)
    }
    const concerned = this.#rosters[reading.kind]?.concerned(reading)
    if (concerned === undefined) return
    for (const subscription of concerned) {
      // A callback before this one has subscribed it: the event is older than that.
      if (subscription.place > last) break
      // Asked at each turn: the callback before may have unsubscribed it, or stopped everything.
      if (!subscription.active || !passes(subscription, reading)) continue
      if (subscription.running === null) this.#call(subscription, reading.event)
      // What is left of the scan at the start is in the one of its own, too.
      else if (scan === null) subscription.running.replay.hold(reading.event)
    }
  }

  /** All that a scan has found has been dispatched. */
  scanned(id: number): void {
    this.#hasBegun = true
    const subscription = this.#replays.get(id)
    if (subscription !== undefined) this.#endReplay(subscription)?.finish()
  }

  /** The source has ended by itself: what is left of its scans will not come. Subscriptions are kept. */
  sourceEnded(): void {
    this.#hasBegun = false
    for (const subscription of this.#replays.values()) this.#endReplay(subscription)?.finish()
  }

  #found(scan: number, reading: Reading): void {
    const subscription = this.#replays.get(scan)
    if (subscription !== undefined && passes(subscription, reading)) subscription.running?.replay.found(reading.event)
  }

  #call(subscription: Subscription, event: ProcessEvent): void {
    if (!subscription.active) return
    this.executed++
    try {
      subscription.callback(event.pid, event as never)
    } catch (error) {
      surface(error)
    }
  }

  #add(subscription: Subscription): void {
    const { kind, rule } = subscription
    if (!this.#rosters[kind]!.add(subscription)) {
      throw new ProcessMonitorError(
        'ERR_CALLBACK_REGISTERED',
        `This function is subscribed to '${EVENT_TYPES[kind]}' already. Unsubscribe it first, or subscribe another one.`,
      )
    }
    this.#wishes.add(rule)
  }

  #replay(subscription: Subscription): void {
    const replay = new Replay((event) => this.#call(subscription, event))
    const rule = { kinds: 1 << EXIT, fields: 0 }
    // First, so that the scan finds the rules in force.
    this.#wishes.add(rule)
    const scan = this.#scan()
    subscription.running = { replay, scan, rule }
    this.#replays.set(scan, subscription)
  }

  /** Returns the replay, if one was under way. */
  #endReplay(subscription: Subscription): Replay | null {
    const { running } = subscription
    if (running === null) return null
    subscription.running = null
    this.#replays.delete(running.scan)
    this.#wishes.delete(running.rule)
    return running.replay
  }

  /** From here on it is not called, not even by a dispatch in progress. */
  #remove(subscription: Subscription): void {
    if (!subscription.active) return
    this.#rosters[subscription.kind]!.delete(subscription)
    this.#end(subscription)
  }

  #end(subscription: Subscription): void {
    subscription.active = false
    subscription.release()
    this.#endReplay(subscription)
    this.#wishes.delete(subscription.rule)
  }
}

function rosters(): Roster<Subscription>[] {
  return EVENT_TYPES.map(() => new Roster())
}

/** Has a user's exception surface as uncaught, after what runs now: nobody else is to notice it. */
export function surface(error: unknown): void {
  process.nextTick(rethrow, error)
}

function rethrow(error: unknown): never {
  throw error
}

function passes({ matches, ancestorId }: Subscription, reading: Reading): boolean {
  if (ancestorId !== 0 && !reading.descendsFrom(ancestorId)) return false
  return matches === null || matches(reading)
}
