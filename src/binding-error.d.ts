/** What to say where the native part cannot be loaded: on what system, what was tried, and what mends it. */
import { ProcessMonitorError } from './errors.js';
/** The error for a loader that has thrown `error`. */
export declare function bindingError(error: unknown): ProcessMonitorError;
