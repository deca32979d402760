/** One native record, read as far as somebody wants it, and once, however many are told of it. */
import type { ProcessEvent } from '../api/event-types.js';
import type { Redact } from '../api/types.js';
import { type RecordBuffer } from './record.js';
/** The `kind` of a record is the place of its type. */
export declare const EXEC: number;
export declare const EXIT: number;
/** The details that filters compare. Null, for one not read or of a process whose exec was not seen, matches nothing. */
export interface FilterSubject {
    readonly name: string | null;
    readonly exe: string | null;
    readonly commandLine: string | null;
    readonly cgroup: string | null;
    readonly uid: number | null;
}
export declare class RecordView implements FilterSubject {
    #private;
    /** `redactFailed` is given what `redact` throws. */
    constructor(redact: Redact | null, redactFailed: (error: unknown) => void);
    /** From here on it is the record at `at`. One object serves all records, since most are of interest to nobody. */
    seek(buffer: RecordBuffer, at: number): this;
    get kind(): number;
    get pid(): number;
    /** The id of the scan that found this process running; null where the record is of another origin. */
    get scanId(): number | null;
    /** False where the record belongs to a scan that was made for one subscription only. */
    get isForAll(): boolean;
    /** Returns true if the process descends from the ancestor of the filter that has this number. */
    hasAncestryTag(ancestorId: number): boolean;
    get name(): string | null;
    get exe(): string | null;
    get cgroup(): string | null;
    get commandLine(): string | null;
    get uid(): number | null;
    /** The public event: built when first asked for. */
    get event(): ProcessEvent;
}
