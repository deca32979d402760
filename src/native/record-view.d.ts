/** One native record, read as far as somebody wants it, and once, however many are told of it. */
import { type RecordBuffer } from './record.js';
import type { ProcessEvent } from '../api/event-types.js';
import type { Judged } from '../monitor/filter.js';
import type { Redact } from '../api/types.js';
/** The `kind` of a record is the place of its type. */
export declare const EXEC: number;
export declare const EXIT: number;
export declare class Reading implements Judged {
    #private;
    /** `redactFailed` is given what `redact` throws. */
    constructor(redact: Redact | null, redactFailed: (error: unknown) => void);
    /** From here on it is the record at `at`. One object serves all records, since most are of interest to nobody. */
    turnTo(buffer: RecordBuffer, at: number): this;
    get kind(): number;
    get pid(): number;
    /** The id of the scan that found this process running; null where the record is of another origin. */
    get scan(): number | null;
    /** False where the record belongs to a scan that was made for one subscription only. */
    get isForAll(): boolean;
    /** Whether the process descends from the ancestor of the filter that has this number. */
    descendsFrom(ancestorId: number): boolean;
    get name(): string | null;
    get exe(): string | null;
    get cgroup(): string | null;
    get commandLine(): string | null;
    get uid(): number | null;
    /** The public event: built when first asked for. */
    get event(): ProcessEvent;
}
