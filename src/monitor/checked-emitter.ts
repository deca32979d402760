/** An event emitter that refuses listeners for events that the monitor never emits. */
import { EventEmitter } from 'node:events'
import { inspected, invalidArgType, invalidArgValue } from '../api/errors.js'
import type { MonitorEvents } from '../api/monitor-types.js'
import { nearest } from '../api/nearest.js'
import { EVENT_TYPES } from '../native/record.js'

/** The events of the monitor itself. */
const OWN: readonly string[] = Object.keys({
  loss: true,
  restart: true,
  error: true,
} satisfies Record<keyof MonitorEvents, true>)
/** The events of every emitter. */
const OF_EMITTERS: ReadonlySet<string> = new Set(['newListener', 'removeListener'])

/** `once` and `prependOnceListener` call the methods that this class overrides. */
export class CheckedEmitter extends EventEmitter<MonitorEvents> {
  override on(eventName: unknown, listener: unknown): this {
    checkEventName(eventName)
    return super.on(eventName as never, listener as never)
  }

  override addListener(eventName: unknown, listener: unknown): this {
    return this.on(eventName, listener)
  }

  override prependListener(eventName: unknown, listener: unknown): this {
    checkEventName(eventName)
    return super.prependListener(eventName as never, listener as never)
  }
}

/** Symbols are allowed, because Node.js has some, such as `errorMonitor`. */
function checkEventName(eventName: unknown): void {
  if (typeof eventName === 'symbol') return
  if (typeof eventName !== 'string') throw invalidArgType('eventName', 'of type string or symbol', eventName)
  if (OWN.includes(eventName) || OF_EMITTERS.has(eventName)) return
  const near = nearest(eventName, [...OWN, ...EVENT_TYPES])
  const isProcessEvent = near !== undefined && !OWN.includes(near)
  const advice = isProcessEvent
    ? `. Call subscribe('${near}', callback) for the events of processes.`
    : near === undefined
      ? ''
      : `. Did you mean '${near}'?`
  const allowed = OWN.map((name) => `'${name}'`).join(', ')
  throw invalidArgValue('eventName', `must be one of: ${allowed}`, `${inspected(eventName)}${advice}`)
}
