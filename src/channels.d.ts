import { type Reading } from './reading.js';
import type { LossReport } from './types.js';
/** Publishes the event of a record. Nothing is built of it if nobody listens. */
export declare function publishEvent(reading: Reading): void;
export declare function publishLoss(report: LossReport): void;
