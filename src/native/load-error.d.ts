import { ProcessMonitorError } from '../api/errors.js';
/** The error for a target, such as linux-x64-gnu, where every attempt failed, each for one of `causes`. */
export declare function bindingError(target: string, isPublished: boolean, causes: readonly unknown[]): ProcessMonitorError;
