/** Who is subscribed to what: dispatch of a record to its subscribers, and the interest that they have together. */
import { isDeepStrictEqual } from 'node:util'
import { ProcessMonitorError, checkFlag, checkObject, checkOneOf, invalidArgType } from './errors.js'
import { EVENT_TYPES } from './events.js'
import type { EventOf, EventType, ProcessEvent } from './event-types.js'
import { type Predicate, captureMask, checkSignal, compileFilter } from './filter.js'
import { EXEC, EXIT, type Reading } from './reading.js'
import { Replay } from './replay.js'
import { type Member, Roster } from './roster.js'
import type { ProcessCallback, SubscribeOptions, Unsubscribe } from './types.js'
import { type Wish, Wishes } from './wishes.js'

/** What all subscribers want together, as the native part is told it. */
export interface Interest {
  /** The mask of event types. */
  readonly kinds: number
  /** The mask of process fields. */
  readonly fields: number
  /** Of which processes; undefined: of all. */
  readonly wishes: readonly Wish[] | undefined
}

/** One callback's wish. */
interface Subscription extends Member {
  /** The place of the event's type in EVENT_TYPES. */
  readonly kind: number
  readonly callback: ProcessCallback<never>
  /** The fields it captures and those its filter looks at. */
  readonly fields: number
  /** null: every event. */
  readonly matches: Predicate | null
  /** What a record is marked with if its process descends from the ancestor that the filter names; 0 where it names none. */
  readonly ancestorId: number
  /** Lets go of whatever could end it later. */
  readonly release: () => void
  /** While the processes already running are being reported to it alone. */
  replay: Replay | null
  /** Whether it may still be called. */
  active: boolean
}

/** Whom the registry tells of what it needs. */
export interface RegistryOwner {
  /** The interest is another than before. */
  interestChanged(interest: Interest): void
  /** Has the processes already running reported; returns the id of that scan. */
  scan(): number
}

export class Registry {
  /** By kind. */
  readonly #rosters: Roster<Subscription>[] = EVENT_TYPES.map(() => new Roster())
  readonly #owner: RegistryOwner
  #interest: Interest = { kinds: 0, fields: 0, wishes: undefined }
  /** The processes whose exit is wanted without a subscription. */
  #awaited: readonly number[] = []
  /** Whether the scan at the start has begun to be reported: who comes later would miss some of it. */
  #hasBegun = false
  /** By the id of their scan, the subscriptions that wait for all of it. */
  readonly #replays = new Map<number, Subscription>()
  #lastPlace = 0

  /** Callbacks called so far. */
  executed = 0

  constructor(owner: RegistryOwner) {
    this.#owner = owner
  }

  get interest(): Interest {
    return this.#interest
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

    const unsubscribe = (): void => this.#remove(subscription)
    const subscription: Subscription = {
      place: ++this.#lastPlace,
      kind: EVENT_TYPES.indexOf(type),
      callback,
      fields: fields | captured,
      matches,
      ancestorId,
      narrow,
      release: () => signal?.removeEventListener('abort', unsubscribe),
      replay: null,
      active: signal?.aborted !== true,
    }
    if (subscription.active) {
      const isLate = replay === true && subscription.kind === EXEC && this.#hasBegun
      if (isLate) subscription.replay = new Replay((event) => this.#call(subscription, event))
      this.#add(subscription)
      // After it was added, so that the scan finds the interest in force.
      if (isLate) this.#replays.set(this.#owner.scan(), subscription)
      signal?.addEventListener('abort', unsubscribe, { once: true })
    }
    return Object.assign(() => unsubscribe(), { [Symbol.dispose]: unsubscribe })
  }

  /** Sets the processes whose exit is wanted without a subscription. */
  awaitExits(pids: readonly number[]): void {
    this.#awaited = pids
    this.#updateInterest()
  }

  /** Ends all subscriptions. */
  clear(): void {
    this.#replays.clear()
    this.#hasBegun = false
    const rosters = this.#rosters.splice(0, this.#rosters.length, ...EVENT_TYPES.map(() => new Roster<Subscription>()))
    for (const { all } of rosters) all.forEach(end)
    this.#updateInterest()
  }

  /** Calls everybody whom a record concerns. Nothing is built of it if that is nobody. */
  dispatch(reading: Reading): void {
    const { scan } = reading
    if (scan !== null) {
      this.#hasBegun = true
      if (!reading.isForAll) return this.#found(scan, reading)
    } else if (this.#replays.size > 0) {
      for (const { replay } of this.#replays.values()) replay?.precede(reading)
    }
    const list = this.#rosters[reading.kind]?.concerned(reading)
    if (list === undefined) return
    for (let i = 0; i < list.length; i++) {
      const subscription = list[i]!
      // Asked at each turn: the callback before may have unsubscribed it, or stopped everything.
      if (!subscription.active || !passes(subscription, reading)) continue
      if (subscription.replay === null) this.#call(subscription, reading.event)
      // What is left of the scan at the start is in the one of its own, too.
      else if (scan === null) subscription.replay.hold(reading.event)
    }
  }

  /** All that a scan has found has been dispatched. */
  scanned(id: number): void {
    this.#hasBegun = true
    const subscription = this.#replays.get(id)
    if (subscription === undefined) return
    this.#replays.delete(id)
    endReplay(subscription)
    this.#updateInterest()
  }

  /** The source has ended by itself: what is left of its scans will not come. Subscriptions are kept. */
  sourceEnded(): void {
    this.#hasBegun = false
    for (const subscription of this.#replays.values()) endReplay(subscription)
    this.#replays.clear()
    this.#updateInterest()
  }

  #found(scan: number, reading: Reading): void {
    const subscription = this.#replays.get(scan)
    if (subscription !== undefined && passes(subscription, reading)) subscription.replay?.found(reading.event)
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
    const { kind, callback } = subscription
    const roster = this.#rosters[kind]!
    if (roster.all.some((other) => other.callback === callback)) {
      throw new ProcessMonitorError(
        'ERR_CALLBACK_REGISTERED',
        `This function is subscribed to '${EVENT_TYPES[kind]}' already. Unsubscribe it first, or subscribe another one.`,
      )
    }
    this.#rosters[kind] = roster.with(subscription)
    this.#updateInterest()
  }

  /** From here on it is not called, not even by a dispatch in progress. */
  #remove(subscription: Subscription): void {
    if (!subscription.active) return
    const { kind } = subscription
    this.#rosters[kind] = this.#rosters[kind]!.without(subscription)
    end(subscription)
    for (const [id, waiting] of this.#replays) if (waiting === subscription) this.#replays.delete(id)
    this.#updateInterest()
  }

  #updateInterest(): void {
    const collected = new Wishes()
    let fields = 0
    for (const pid of this.#awaited) collected.add(1 << EXIT, { pid })
    for (const { all } of this.#rosters) {
      for (const subscription of all) {
        collected.add(1 << subscription.kind, subscription.narrow)
        fields |= subscription.fields
        // Else the execs of processes that have ended would pile up in it.
        if (subscription.replay !== null) collected.add(1 << EXIT, null)
      }
    }
    const interest = { kinds: collected.kinds, fields, wishes: collected.list() }
    if (isDeepStrictEqual(interest, this.#interest)) return
    this.#interest = interest
    this.#owner.interestChanged(this.#interest)
  }
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

function endReplay(subscription: Subscription): void {
  const { replay } = subscription
  subscription.replay = null
  replay?.finish()
}

function end(subscription: Subscription): void {
  subscription.active = false
  subscription.release()
}
