/** The model of a monitor. The property tests compare the facade with it. */
import { FIELDS, KINDS, fieldsOf, passes } from './filters.ts'
import type { Action, Item, SubscribeArgs } from './steps.ts'

/** The observable state. */
export interface Seen {
  /** Returned promises, calls of callbacks, and emitted events, in order. */
  log: string[]
  /** Uncaught exceptions. */
  uncaught: string[]
  /** The state of each returned promise: `'pending'`, `'fulfilled'`, or the code of its rejection. */
  promises: string[]
  sources: { interests: [number, number][]; calls: string[] }[]
  /** True if the monitor keeps Node.js running. */
  held: boolean
  stats: object
}

interface Subscription extends SubscribeArgs {
  callback: { id: number; calls: number; reactions: Action[] }
  active: boolean
}

/** One session of the source, with the kinds of records that were pushed and that were handled. */
interface Session {
  promise: number
  source: Seen['sources'][number]
  queue: Item[]
  pushed: Set<Item['is']>
  answered: Set<Item['is']>
  asked: boolean
  ready: boolean
  stopped: boolean
  failure: string | null
  kind: 'netlink' | 'polling' | null
}

/** The statistics of a source, in the order of its counters. The value of each is its place from 1 on, but priority is 1. */
const FIGURES = (
  'events exec exit restart reinitFailed processScanFailed lostSocket lostQueue resync ' +
  'queueDepth queueHighWater receiveBufferSize trackedProcesses rejected ignored ' +
  'priority captureTimeouts stuckThreads detailsDropped batches largestBatch unseen exitsWithoutStatus watching usageLost'
).split(' ')
const GAUGES = new Set(['queueDepth', 'receiveBufferSize', 'trackedProcesses', 'stuckThreads'])
export const COUNTERS: number[] = FIGURES.map((figure, place) => (figure === 'priority' ? 1 : place + 1))

export class Model {
  #log: string[] = []
  #uncaught: string[] = []
  #promises: string[] = []
  #sources: Seen['sources'] = []
  #subscriptions: Subscription[] = []
  #callbacks = 0
  #interest: [number, number] = [0, 0]
  #references = 1
  #referenced = true
  #executed = 0
  #stops = 0
  #initialized: number | null = null
  #stopping: number | null = null
  #waiting: { promise: number; stops: number }[] = []
  #session: Session | null = null
  /** True if there is an error listener. */
  #listens: boolean

  constructor(listens: boolean) {
    this.#listens = listens
  }

  perform(action: Action): void {
    switch (action.do) {
      case 'take':
        this.#references++
        return
      case 'ref':
      case 'unref':
        this.#referenced = action.do === 'ref'
        return
      case 'throw':
        this.#uncaught.push('mine')
        return
      case 'initialize':
        return this.#gave(this.#initialize())
      case 'stop':
        return this.#gave(this.#stop())
      case 'subscribe':
        return this.#subscribe(action.args)
      case 'unsubscribe': {
        const subscription = this.#subscriptions[action.which % this.#subscriptions.length]
        if (subscription?.active !== true) return
        subscription.active = false
        return this.#updateInterest()
      }
    }
  }

  /** Queues an item if a source can report it now. Returns true if it can. */
  push(item: Item): boolean {
    const session = this.#session
    if (session === null) return false
    const { pushed } = session
    const once = ['opened', 'scanned', 'failed', 'closed'].includes(item.is)
    if ((once && pushed.has(item.is)) || pushed.has('closed')) return false
    if (item.is !== 'closed' && pushed.has('failed')) return false
    if (item.is === 'scanned' && !session.asked) return false
    if (!['opened', 'failed', 'closed'].includes(item.is) && !pushed.has('opened')) return false
    pushed.add(item.is)
    session.queue.push(item)
    return true
  }

  /** Returns the next item of an ordinary session. */
  next(source: 0 | 1): Item {
    const { stopped, asked, pushed } = this.#session ?? { pushed: new Set() }
    if (stopped || pushed.has('failed')) return { is: 'closed' }
    return asked ? { is: 'scanned' } : { is: 'opened', source }
  }

  /** Handles every queued item, then settles promises, as one turn of the event loop does. */
  turn(): void {
    const session = this.#session
    if (session === null) return
    for (const item of session.queue.splice(0)) this.#answer(session, item)
    const { answered, stopped, failure } = session
    if (answered.has('closed')) return this.#ended(session)
    if (answered.has('opened') && !session.asked) {
      session.asked = true
      if (!stopped) session.source.calls.push('scan')
    }
    if (answered.has('scanned') && !session.ready && !stopped && failure === null) {
      session.ready = true
      this.#promises[session.promise] = 'fulfilled'
    }
  }

  seen(): Seen {
    const running = this.#session !== null
    const counts = (figure: string): boolean => (GAUGES.has(figure) ? running : this.#sources.length > 0)
    return {
      log: this.#log,
      uncaught: this.#uncaught,
      promises: this.#promises,
      sources: this.#sources,
      held: this.#promises.includes('pending') || (running && this.#referenced),
      stats: {
        source: this.#session?.kind ?? null,
        references: this.#references,
        callbackExecuted: this.#executed,
        ...Object.fromEntries(FIGURES.map((figure, i) => [figure, counts(figure) ? COUNTERS[i] : 0])),
        priority: running ? 'short-slice' : null,
        watching: null,
      },
    }
  }

  #gave(promise: number): void {
    this.#log.push(`promise ${promise}`)
  }

  #promise(state: string): number {
    return this.#promises.push(state) - 1
  }

  #initialize(): number {
    if (this.#initialized !== null) return this.#initialized
    const promise = this.#promise('pending')
    this.#initialized = promise
    if (this.#stopping === null) this.#open(promise)
    else this.#waiting.push({ promise, stops: this.#stops })
    return promise
  }

  #stop(): number {
    this.#references = Math.max(0, this.#references - 1)
    if (this.#references > 0) return this.#promise('fulfilled')
    this.#stops++
    this.#initialized = null
    for (const subscription of this.#subscriptions) subscription.active = false
    if (this.#session !== null && this.#stopping === null) {
      this.#stopping = this.#promise('pending')
      this.#session.stopped = true
      this.#session.source.calls.push('stop')
    }
    this.#updateInterest()
    return this.#stopping ?? this.#promise('fulfilled')
  }

  #subscribe(args: SubscribeArgs): void {
    const reused = this.#subscriptions[(args.reuse ?? -1) % this.#subscriptions.length]?.callback
    if (this.#subscriptions.some((s) => s.active && s.callback === reused && s.type === args.type)) {
      this.#log.push('ERR_CALLBACK_REGISTERED')
      return
    }
    const callback = reused ?? { id: this.#callbacks++, calls: 0, reactions: args.reactions }
    this.#subscriptions.push({ ...args, callback, active: true })
    this.#updateInterest()
  }

  #updateInterest(): void {
    const active = this.#subscriptions.filter((subscription) => subscription.active)
    const fields = active.flatMap(({ capture, filter }) => [...capture, ...fieldsOf(filter)])
    const mask = (names: string[], among: string[]): number =>
      among.reduce((sum, name, bit) => sum + (names.includes(name) ? 2 ** bit : 0), 0)
    const types = active.map(({ type }) => type)
    const [before, now] = [this.#interest, [mask(types, KINDS), mask(fields, FIELDS)] as [number, number]]
    this.#interest = now
    const changed = before[0] !== now[0] || before[1] !== now[1]
    if (changed && this.#session?.stopped === false) this.#session.source.interests.push(now)
  }

  #open(promise: number): void {
    const source: Seen['sources'][number] = { interests: [this.#interest], calls: [] }
    this.#sources.push(source)
    this.#executed = 0
    this.#session = {
      promise,
      source,
      queue: [],
      pushed: new Set(),
      answered: new Set(),
      asked: false,
      ready: false,
      stopped: false,
      failure: null,
      kind: null,
    }
  }

  #answer(session: Session, item: Item): void {
    if (session.stopped && item.is !== 'closed') return
    session.answered.add(item.is)
    switch (item.is) {
      case 'opened':
        session.kind = item.source === 0 ? 'netlink' : 'polling'
        return
      case 'loss':
        this.#log.push(`loss ${item.lost}`)
        if (item.lost % 4 === 0) this.#uncaught.push('mine')
        return
      case 'fallenBack':
        session.kind = 'polling'
        this.#log.push(`fallenBack ${item.code}`)
        return
      case 'restart':
        this.#log.push(`restart ${item.code}`)
        return
      case 'failed':
        session.failure = item.code
        return
      case 'event':
        return this.#dispatch(item)
    }
  }

  #dispatch({ type, pid, time, process }: Item & { is: 'event' }): void {
    for (const subscription of this.#subscriptions.filter((s) => s.active && s.type === type)) {
      if (!subscription.active || !passes(subscription.filter, process)) continue
      const { callback } = subscription
      this.#executed++
      this.#log.push(`callback ${callback.id}: ${type} ${pid} at ${time}`)
      const reaction = callback.reactions[callback.calls++]
      if (reaction !== undefined) this.perform(reaction)
    }
  }

  #ended(session: Session): void {
    session.source.calls.push('join')
    this.#session = null
    const failure = session.failure ?? (session.stopped ? null : 'ERR_SOURCE_FAILED')
    if (!session.ready) this.#promises[session.promise] = failure ?? 'ERR_STOPPED'
    if (this.#initialized === session.promise) this.#initialized = null
    if (this.#stopping !== null) {
      this.#promises[this.#stopping] = 'fulfilled'
      this.#stopping = null
    } else if (session.ready) {
      if (this.#listens) this.#log.push(`error ${failure}`)
      else this.#uncaught.push(String(failure))
    }
    for (const { promise, stops } of this.#waiting.splice(0)) {
      if (stops === this.#stops) this.#open(promise)
      else this.#promises[promise] = 'ERR_STOPPED'
    }
  }
}
