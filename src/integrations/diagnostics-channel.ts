/** The channels of `node:diagnostics_channel` on which events and losses are published. */
import { type Channel, channel } from 'node:diagnostics_channel'
import type { LossReport } from '../api/monitor-types.js'
import { EXEC, EXIT, type RecordView } from '../native/record-view.js'

/** The channels by the kind of record. */
const EVENTS: (Channel | undefined)[] = []
EVENTS[EXEC] = channel('proc-events:exec')
EVENTS[EXIT] = channel('proc-events:exit')
const LOSS = channel('proc-events:loss')

/** Publishes the event of a record. The event is built only if the channel has subscribers. */
export function publishEvent(record: RecordView): void {
  const events = EVENTS[record.kind]
  if (events?.hasSubscribers === true && record.isForAll) events.publish(record.event)
}

export function publishLoss(report: LossReport): void {
  if (LOSS.hasSubscribers) LOSS.publish(report)
}
