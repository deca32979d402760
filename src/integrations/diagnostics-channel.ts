/** The channels of `node:diagnostics_channel` on which events and losses are published to whoever listens. */
import { type Channel, channel } from 'node:diagnostics_channel'
import { EXEC, EXIT, type Reading } from '../native/record-view.js'
import type { LossReport } from '../api/types.js'

/** By the kind of record. */
const EVENTS: (Channel | undefined)[] = []
EVENTS[EXEC] = channel('proc-events:exec')
EVENTS[EXIT] = channel('proc-events:exit')
const LOSS = channel('proc-events:loss')

/** Publishes the event of a record. Nothing is built of it if nobody listens. */
export function publishEvent(reading: Reading): void {
  const events = EVENTS[reading.kind]
  if (events?.hasSubscribers === true && reading.isForAll) events.publish(reading.event)
}

export function publishLoss(report: LossReport): void {
  if (LOSS.hasSubscribers) LOSS.publish(report)
}
