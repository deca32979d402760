import { type ProcessMonitorError } from '../api/errors.js';
import type { EventType, ExitEvent, ProcessEvent, ProcessField, ProcessInfo } from '../api/event-types.js';
import type { LossReport } from '../api/types.js';
/** The types of event; the place is the record's kind and the bit of the interest mask. */
export declare const EVENT_TYPES: readonly EventType[];
/** The details of a process; the place is the bit of the fields' mask. */
export declare const PROCESS_FIELDS: readonly ProcessField[];
/** The kinds of record from here on tell about the source, not about a process. */
export declare const CONTROL: {
    readonly OPENED: 32;
    readonly SCAN_FINISHED: 33;
    readonly LOSS: 34;
    readonly RESTART: 35;
    readonly FAILED: 36;
    readonly CLOSED: 37;
    readonly FELL_BACK: 38;
    readonly WATCH_RESULT: 39;
};
/** The id of the scan at the start, which is the first. */
export declare const FIRST_SCAN = 1;
/** Words that a record has at least: its captured fields follow them. */
declare const RECORD_HEAD_WORDS = 10;
export { RECORD_HEAD_WORDS };
declare const ORIGINS: readonly ['kernel', 'bootstrap', 'resync', 'polling'];
/** The memory that the binding copies records into, seen as words and as bytes. */
export declare class RecordBuffer {
    readonly words: Uint32Array;
    readonly bytes: Buffer;
    constructor(length: number);
}
/** Whether a record carries anything of its process: only then can a filter be judged. */
export declare function hasProcess(words: Uint32Array, at: number): boolean;
/** How the event of a record was learnt. */
export declare function originOf(words: Uint32Array, at: number): (typeof ORIGINS)[number];
/** The ancestry tags of a record, one for each filter by ancestor that its process meets: the last words before their count. */
export declare function readAncestryTags(words: Uint32Array, at: number): Uint32Array;
/** One detail of the process, the others being left alone; null where it was not read. The arguments are joined by NUL. */
export declare function readText(buffer: RecordBuffer, at: number, field: 'name' | 'exe' | 'argv' | 'cgroup'): string | null;
/** The arguments, joined; null where they were not read, or were cut to none. */
export declare function readArguments(buffer: RecordBuffer, at: number): string | null;
/** The real user id of the process; null where it was not read. */
export declare function readUid(words: Uint32Array, at: number): number | null;
/** The details of the process that the record at `at` carries; `name` if it was read already. */
export declare function readProcess(buffer: RecordBuffer, at: number, name?: string | null): ProcessInfo;
/** The public event of the record at `at`, whose details have been read already. One hidden class per type. */
export declare function readEvent(buffer: RecordBuffer, at: number, process: ProcessInfo): ProcessEvent;
/** The exit of a process that had exited before it was watched: of a `WATCH_RESULT` record. */
export declare function readPastExit(words: Uint32Array, at: number): ExitEvent;
/** The report of a `loss` record. */
export declare function readLoss(words: Uint32Array, at: number): LossReport;
/** Returns the error of a `RESTART`, `FAILED` or `FELL_BACK` record. Its text is `syscall\0context`, as record.rs writes it. */
export declare function readFailure(buffer: RecordBuffer, at: number): ProcessMonitorError;
/** Each argument is ended by a NUL, so that an empty one counts and none at all is the empty string. */
export declare function splitArguments(joined: string): string[];
/** The name of a signal. One without a name gets its number, as null would say that no signal came. */
export declare function toSignalName(number: number): NodeJS.Signals;
/** The container's id in a cgroup path, or null where it carries none. */
export declare function containerIdOf(cgroup: string): string | null;
