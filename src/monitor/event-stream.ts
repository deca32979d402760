/** Events as an async iterable: a bounded queue between the callbacks and a slow loop. */
import {
  ProcessMonitorError,
  abortError,
  checkInteger,
  checkListOf,
  inspected,
  invalidArgValue,
} from '../api/errors.js'
import type { EventOf, EventType, ProcessEvent, ProcessField } from '../api/event-types.js'
import { type KnownKeys, checkOptionsObject, pickKnown } from '../api/known-keys.js'
import type { Unsubscribe } from '../api/monitor-types.js'
import type { EventsOptions, SubscribeOptions } from '../api/options.js'
import { EVENT_TYPES } from '../native/record.js'
import { onAbort } from './abort.js'
import { checkSignal } from './filter.js'
import { Queue } from './queue.js'
import { SUBSCRIBE_OPTIONS } from './subscriptions.js'

/** An object that ends with the monitor, and is notified of that once. */
export interface StopListener {
  /** `failure` is the reason of the end. null: the monitor was stopped. */
  onMonitorEnd(failure: ProcessMonitorError | null): void
}

/** Makes the subscriptions of a stream. */
type Subscribe = (
  type: EventType,
  push: (pid: number, event: ProcessEvent) => void,
  options: SubscribeOptions,
) => Unsubscribe

/** A pending call of `next()`. */
interface PendingNext<E> {
  readonly resolve: (result: IteratorResult<E, undefined>) => void
  readonly reject: (reason: unknown) => void
}

/** The default of the option `queueSize`. */
const DEFAULT_QUEUE_SIZE = 65_536
const QUEUE_SIZE_MAX = 2 ** 31 - 1
const DEFAULT_TYPES: readonly EventType[] = ['exec', 'exit']

/** The known options of a stream. */
const EVENTS_OPTIONS: KnownKeys<EventsOptions<EventType>> = { ...SUBSCRIBE_OPTIONS, types: true, queueSize: true }

/** Checks the user's options, and subscribes at once. See `ProcessMonitor.events`. */
export function openStream<T extends EventType, Fields extends readonly ProcessField[]>(
  options: EventsOptions<T, Fields>,
  subscribe: Subscribe,
  stopListeners: Set<StopListener>,
): AsyncIterableIterator<EventOf<T, Fields>> & AsyncDisposable {
  checkOptionsObject<EventsOptions<EventType>>(options, EVENTS_OPTIONS)
  const { types = DEFAULT_TYPES, queueSize = DEFAULT_QUEUE_SIZE, signal } = options
  const subscribeOptions = { ...pickKnown<SubscribeOptions>(options, SUBSCRIBE_OPTIONS), signal: undefined }
  checkTypes(types)
  checkInteger('options.queueSize', queueSize, 1, QUEUE_SIZE_MAX)
  checkSignal(signal)

  const subscriptions: Unsubscribe[] = []
  const unsubscribe = (): void => {
    for (const unsubscribeOne of subscriptions) unsubscribeOne()
    stopListeners.delete(stream)
  }
  let release = (): void => {}
  const stream = new EventStream<EventOf<T, Fields>>(queueSize, unsubscribe, () => release())
  const abort = (): void => stream.abort(abortError(signal!))
  const push = (_pid: number, event: ProcessEvent): void => stream.push(event as EventOf<T, Fields>)
  for (const type of new Set(types)) subscriptions.push(subscribe(type, push, subscribeOptions))
  stopListeners.add(stream)
  // Check the signal after the other options, so that a wrong option throws under an aborted signal, too.
  if (signal?.aborted === true) abort()
  else release = onAbort(signal, abort)
  return stream
}

/**
 * Queues events until `next()` takes them. It ends once: after the queued events (`#finish`), or at once (`#drop` first).
 * After its end it behaves like a generator that has returned.
 */
class EventStream<E extends ProcessEvent>
  implements AsyncIterableIterator<E, undefined>, AsyncDisposable, StopListener
{
  readonly #queueSize: number
  readonly #events = new Queue<E>()
  /** Pending calls of `next()`, in order. Empty while events are queued. */
  readonly #pendingCalls = new Queue<PendingNext<E>>()
  /** Null once the stream has ended. */
  #unsubscribe: (() => void) | null
  /** Removes the abort listener. Until the last queued event is taken, an abort can still drop events. */
  readonly #release: () => void
  /** The failure that the next call rejects with, after the queued events. */
  #failure: { readonly reason: unknown } | null = null

  constructor(queueSize: number, unsubscribe: () => void, release: () => void) {
    this.#queueSize = queueSize
    this.#unsubscribe = unsubscribe
    this.#release = release
  }

  push(event: E): void {
    if (this.#unsubscribe === null) return
    const pending = this.#pendingCalls.shift()
    if (pending !== undefined) return pending.resolve({ value: event, done: false })
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
      this.#releaseIfDrained()
      return Promise.resolve({ value: event, done: false })
    }
    if (this.#unsubscribe !== null) {
      return new Promise((resolve, reject) => this.#pendingCalls.push({ resolve, reject }))
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

  /** Ends the stream once. The first pending call receives the failure. The others receive the end. */
  #finish(failure: { readonly reason: unknown } | null): void {
    if (this.#unsubscribe === null) return this.#releaseIfDrained()
    const unsubscribe = this.#unsubscribe
    this.#unsubscribe = null
    unsubscribe()
    const [first, ...others] = this.#pendingCalls.clear()
    if (first === undefined) {
      this.#failure = failure
      return this.#releaseIfDrained()
    }
    this.#release()
    if (failure === null) first.resolve({ value: undefined, done: true })
    else first.reject(failure.reason)
    for (const { resolve } of others) resolve({ value: undefined, done: true })
  }

  #releaseIfDrained(): void {
    if (this.#unsubscribe === null && this.#events.length === 0 && this.#failure === null) this.#release()
  }
}

function checkTypes(types: unknown): asserts types is readonly EventType[] {
  checkListOf('options.types', types, EVENT_TYPES)
  if ((types as EventType[]).length > 0) return
  throw invalidArgValue('options.types', 'must have at least one type', inspected(types))
}

function overflowError(queueSize: number): ProcessMonitorError {
  return new ProcessMonitorError(
    'ERR_QUEUE_OVERFLOW',
    `events: the queue is full, more than ${queueSize} events were waiting. Spend less time on each event, select ` +
      'fewer events with a filter, or raise the option queueSize.',
  )
}
