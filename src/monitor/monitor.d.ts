import type { ProcessMonitor } from '../api/types.js';
/**
 * The one monitor of this JavaScript environment. Each call takes a reference; each `stop()` gives one back, and the
 * last of them ends monitoring. Nothing is started, and no call fails, before `initialize()`.
 */
export declare function getProcessMonitor(): ProcessMonitor;
