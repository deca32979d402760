/** Events as an async iterable: a bounded buffer between the callbacks and a loop that takes its time. */
import {
  ProcessMonitorError,
  abortError,
  checkInteger,
  checkObject,
  checkOneOf,
  invalidArgType,
  outOfRange,
} from '../api/errors.js'
import type { EventOf, EventType, ProcessEvent } from '../api/event-types.js'
import type { EventsOptions, SubscribeOptions, Unsubscribe } from '../api/types.js'
import { EVENT_TYPES } from '../native/record.js'
import { onAbort } from './abort.js'
import { checkSignal } from './filter.js'
import { Queue } from './queue.js'

/** What ends with the monitor, and is told of it once. */
export interface StopListener {
  /** `failure` is why the source ended by itself; null where it was stopped. */
  onMonitorEnd(failure: ProcessMonitorError | null): void
}

/** The subscriptions that a stream makes. */
type Subscribe = (
  type: EventType,
  push: (pid: number, event: ProcessEvent) => void,
  options: SubscribeOptions,
) => Unsubscribe

/** A call of `next()` that waits for an event. */
interface PendingNext<E> {
  readonly resolve: (result: IteratorResult<E, undefined>) => void
  readonly reject: (reason: unknown) => void
}

/** Events held for a slow consumer at most, unless it says otherwise. */
const DEFAULT_QUEUE_SIZE = 65_536
const QUEUE_SIZE_MAX = 2 ** 31 - 1
const DEFAULT_TYPES: readonly EventType[] = ['exec', 'exit']

/** Checks the options as a user gave them, and subscribes at once; `ProcessMonitor.events` tells the rest. */
export function openStream<T extends EventType>(
  options: EventsOptions<T>,
  subscribe: Subscribe,
  stopListeners: Set<StopListener>,
): AsyncIterableIterator<EventOf<T>> & AsyncDisposable {
  checkObject('options', options)
  const { types = DEFAULT_TYPES, queueSize = DEFAULT_QUEUE_SIZE, signal, ...wanted } = options
  checkTypes(types)
  checkInteger('options.queueSize', queueSize, 1, QUEUE_SIZE_MAX)
  checkSignal(signal)

  const subscriptions: Unsubscribe[] = []
  const unsubscribe = (): void => {
    for (const end of subscriptions) end()
    stopListeners.delete(stream)
  }
  let release = (): void => {}
  const stream = new EventStream<EventOf<T>>(queueSize, unsubscribe, () => release())
  const abort = (): void => stream.abort(abortError(signal!))
  const push = (_pid: number, event: ProcessEvent): void => stream.push(event as EventOf<T>)
  for (const type of new Set(types)) subscriptions.push(subscribe(type, push, wanted))
  stopListeners.add(stream)
  // Not before the options have been judged: a wrong one is wrong under an aborted signal, too.
  if (signal?.aborted === true) abort()
  else release = onAbort(signal, abort)
  return stream
}

/**
 * What comes is held until it is asked for. It ends once: with what was held still to come (`#finish`), or at once
 * (`#drop`). After its end it answers as a generator does that has returned.
 */
class EventStream<E extends ProcessEvent>
  implements AsyncIterableIterator<E, undefined>, AsyncDisposable, StopListener
{
  readonly #queueSize: number
  readonly #events = new Queue<E>()
  /** Only where no event is held. */
  readonly #waiting = new Queue<PendingNext<E>>()
  /** Null once it has ended: nothing new comes. */
  #unsubscribe: (() => void) | null
  /** Lets go of what could abort it: what is held may be dropped until it was asked for. */
  readonly #release: () => void
  /** What the next call rejects with, once nothing is held any more. */
  #failure: { readonly reason: unknown } | null = null

  constructor(queueSize: number, unsubscribe: () => void, release: () => void) {
    this.#queueSize = queueSize
    this.#unsubscribe = unsubscribe
    this.#release = release
  }

  push(event: E): void {
    if (this.#unsubscribe === null) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) return waiting.resolve({ value: event, done: false })
    if (this.#events.length < this.#queueSize) return this.#events.push(event)
    this.#finish({ reason: overflowError(this.#queueSize) })
  }

  abort(reason: Error): void {
    this.#drop()
    if (this.#unsubscribe === null) this.#failure = { reason }
    this.#finish({ reason })
  }

  onMonitorEnd(failure: ProcessMonitorError | null): void {
    this.#finish(failure === null ? null : { reason: failure })
  }

  next(): Promise<IteratorResult<E, undefined>> {
    const event = this.#events.shift()
    if (event !== undefined) {
      this.#releaseIfOver()
      return Promise.resolve({ value: event, done: false })
    }
    if (this.#unsubscribe !== null) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
    }
    const failure = this.#failure
    if (failure === null) return Promise.resolve({ value: undefined, done: true })
    this.#failure = null
    this.#release()
    return Promise.reject(failure.reason as Error)
  }

  return(): Promise<IteratorResult<E, undefined>> {
    this.#drop()
    this.#finish(null)
    return Promise.resolve({ value: undefined, done: true })
  }

  throw(error?: unknown): Promise<IteratorResult<E, undefined>> {
    this.#drop()
    this.#finish(null)
    return Promise.reject(error as Error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #drop(): void {
    this.#events.clear()
    this.#failure = null
  }

  /** Ends it once. Of those who wait, the first is told why; for the others it has simply ended. */
  #finish(failure: { readonly reason: unknown } | null): void {
    if (this.#unsubscribe === null) return this.#releaseIfOver()
    const unsubscribe = this.#unsubscribe
    this.#unsubscribe = null
    unsubscribe()
    const [first, ...others] = this.#waiting.clear()
    if (first === undefined) {
      this.#failure = failure
      return this.#releaseIfOver()
    }
    this.#release()
    if (failure === null) first.resolve({ value: undefined, done: true })
    else first.reject(failure.reason)
    for (const { resolve } of others) resolve({ value: undefined, done: true })
  }

  #releaseIfOver(): void {
    if (this.#unsubscribe === null && this.#events.length === 0 && this.#failure === null) this.#release()
  }
}

function checkTypes(types: unknown): asserts types is readonly EventType[] {
  if (!Array.isArray(types)) throw invalidArgType('options.types', 'an array of strings', types)
  if (types.length === 0) throw outOfRange('options.types', 'at least one type', types)
  types.forEach((type, i) => checkOneOf(`options.types[${i}]`, type, EVENT_TYPES))
}

function overflowError(queueSize: number): ProcessMonitorError {
  return new ProcessMonitorError(
    'ERR_QUEUE_OVERFLOW',
    `More than ${queueSize} events were waiting for the loop that reads them. Do less between two of them, ask for ` +
      'fewer by a filter, or let more wait by the option queueSize.',
  )
}
