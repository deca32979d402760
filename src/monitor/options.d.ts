import type { MonitorOptions, Redact } from '../api/types.js';
import { type NativeOptions } from '../native/binding.js';
/** The longest delay a timer takes, in milliseconds: 24 days. */
export declare const TIMER_MAX_MS: number;
/** How to open a source, but for the rules; and what the facade keeps for itself. */
export interface CheckedOptions extends Omit<NativeOptions, 'rules'> {
    readonly redact: Redact | null;
}
export declare function checkOptions(options: MonitorOptions): CheckedOptions;
