/** The facade on its fake binding. It takes the same steps as the model, and has the same observable state. */
import type { ProcessInfo } from '../../../dist/index.js'
import type { LossReport, ProcessMonitor, Unsubscribe } from '../../../dist/index.js'
import { written } from './filters.ts'
import { type Fake, settled } from './facade.ts'
import { COUNTERS, type Seen } from './model.ts'
import type { Action, Item, SubscribeArgs } from './steps.ts'

type Callback = Parameters<ProcessMonitor['subscribe']>[1]

export class FacadeDriver {
  #facade: Fake
  #log: string[] = []
  #uncaught: string[] = []
  #promises: Promise<void>[] = []
  #states: string[] = []
  #callbacks = 0
  #subscriptions: { callback: Callback; end: Unsubscribe; signal: AbortController }[] = []
  #timers: number = timers()
  #emitWarning: typeof process.emitWarning = process.emitWarning

  constructor(facade: Fake, listens: boolean) {
    this.#facade = facade
    const { monitor, fake } = facade
    fake.behaviour.open = (source: { counters: number[] }) => void (source.counters = COUNTERS)
    fake.behaviour.scan = () => null
    fake.behaviour.closeAfter = null
    monitor.on('loss', ({ lost }: LossReport) => {
      this.#log.push(`loss ${lost}`)
      if (lost % 4 === 0) throw new Error('mine')
    })
    monitor.on('restart', ({ code }) => this.#log.push(`restart ${code}`))
    if (listens) monitor.on('error', ({ code }) => this.#log.push(`error ${code}`))
    process.emitWarning = (_: unknown, { code }: any = {}) => void this.#log.push(`fallenBack ${code}`)
    process.setUncaughtExceptionCaptureCallback((error: NodeJS.ErrnoException) => {
      this.#uncaught.push(error.code ?? error.message)
    })
  }

  /** Ends what a failed run has left, so that Node.js can end. */
  dispose(): void {
    const { monitor, fake, r } = this.#facade
    if (timers() > this.#timers) {
      while (monitor.stats().references > 0) void monitor.stop()
      fake.source.push(r.closed())
    }
    process.setUncaughtExceptionCaptureCallback(null)
    process.emitWarning = this.#emitWarning
  }

  perform(action: Action): void {
    const { api, monitor } = this.#facade
    switch (action.do) {
      case 'take':
        return void api.getProcessMonitor()
      case 'ref':
      case 'unref':
        return void monitor[action.do]()
      case 'throw':
        throw new Error('mine')
      case 'initialize':
      case 'stop':
        return this.#given(monitor[action.do]())
      case 'subscribe':
        return this.#subscribe(action.args)
      case 'unsubscribe': {
        const subscription = this.#subscriptions[action.which % this.#subscriptions.length]
        if (action.by === 'call') subscription?.end()
        if (action.by === 'dispose') subscription?.end[Symbol.dispose]()
        if (action.by === 'abort') subscription?.signal.abort()
      }
    }
  }

  push(item: Item): void {
    this.#facade.fake.source.push(this.#encode(item))
  }

  /** Sets the maximum number of records of one drain. */
  drainAtMost(records: number): void {
    this.#facade.fake.behaviour.drainAtMost = records
  }

  turn(): Promise<void> {
    return settled(this.#facade.fake)
  }

  references(): number {
    return this.#facade.monitor.stats().references
  }

  seen(): Seen {
    const { fake, monitor } = this.#facade
    const sources = fake.sources.map(({ firstInterest, interests, calls }: any) => {
      return { interests: [firstInterest, ...interests], calls }
    })
    return {
      log: this.#log,
      uncaught: this.#uncaught,
      promises: this.#states,
      sources,
      held: timers() > this.#timers,
      stats: monitor.stats(),
    }
  }

  /** Logs a returned promise by its number, because repeated calls must return the same promise. */
  #given(promise: Promise<void>): void {
    let place = this.#promises.indexOf(promise)
    if (place === -1) {
      place = this.#promises.push(promise) - 1
      this.#states[place] = 'pending'
      promise.then(
        () => (this.#states[place] = 'fulfilled'),
        (error) => (this.#states[place] = String(error.code)),
      )
    }
    this.#log.push(`promise ${place}`)
  }

  #subscribe({ type, filter, capture, reactions, reuse = -1 }: SubscribeArgs): void {
    const callback = this.#subscriptions[reuse % this.#subscriptions.length]?.callback ?? this.#callback(reactions)
    const signal = new AbortController()
    const options = { ...written(filter), capture, signal: signal.signal }
    try {
      const end = this.#facade.monitor.subscribe(type, callback, options)
      this.#subscriptions.push({ callback, end, signal })
    } catch (error) {
      this.#log.push((error as NodeJS.ErrnoException).code ?? String(error))
    }
  }

  #callback(reactions: Action[]): Callback {
    const id = this.#callbacks++
    let calls = 0
    return (pid, event) => {
      this.#log.push(`callback ${id}: ${event.type} ${pid} at ${event.timestampNs}`)
      const reaction = reactions[calls++]
      if (reaction !== undefined) this.perform(reaction)
    }
  }

  #encode(item: Item): number[] {
    const { r } = this.#facade
    switch (item.is) {
      case 'event': {
        const { type, pid, time, process, padding } = item
        return r.event(type, pid, { time, process: padded(process, padding) })
      }
      case 'loss':
        return r.loss(0, item.lost, 0, 0)
      case 'opened':
        return r.opened(1, item.source)
      case 'scanned':
        return r.scanned(1)
      case 'closed':
        return r.closed()
      default:
        return r[item.is](item.code, 5, 'recvmsg')
    }
  }
}

/** Makes a record long by a working directory, unless it has one, which a filter may compare. */
function padded(process: ProcessInfo | undefined, padding: number): ProcessInfo | undefined {
  return padding > 0 && process?.cwd === undefined ? { ...process, cwd: 'x'.repeat(padding) } : process
}

/** Returns the number of timers that keep Node.js running. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
}
