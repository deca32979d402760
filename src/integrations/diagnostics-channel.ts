/** The channels of `node:diagnostics_channel` on which events and losses are published. */
import { type Channel, channel } from 'node:diagnostics_channel'
import type { LossReport } from '../api/types.js'
import { EXEC, EXIT, type RecordView } from '../native/record-view.js'

/** By the kind of record. */
const EVENTS: (Channel | undefined)[] = []
EVENTS[EXEC] = channel('proc-events:exec')
EVENTS[EXIT] = channel('proc-events:exit')
const LOSS = channel('proc-events:loss')

/** Publishes the event of a record. Nothing is built of it if nobody listens. */
export function publishEvent(record: RecordView): void {
  const events = EVENTS[record.kind]
  if (events?.hasSubscribers === true && record.isForAll) events.publish(record.event)
}

export function publishLoss(report: LossReport): void {
  if (LOSS.hasSubscribers) LOSS.publish(report)
}
