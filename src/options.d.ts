import { type NativeOptions } from './native.js';
import type { MonitorOptions } from './types.js';
/** The longest delay a timer takes, in milliseconds: 24 days. */
export declare const TIMER_MAX_MS: number;
/** How to open a source, but for the interest. */
export type CheckedOptions = Omit<NativeOptions, 'kinds' | 'fields'>;
export declare function checkOptions(options: MonitorOptions): CheckedOptions;
