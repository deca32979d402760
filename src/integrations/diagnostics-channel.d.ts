import type { LossReport } from '../api/types.js';
import { type RecordView } from '../native/record-view.js';
/** Publishes the event of a record. Nothing is built of it if nobody listens. */
export declare function publishEvent(record: RecordView): void;
export declare function publishLoss(report: LossReport): void;
