import type { ProcessField } from '../api/event-types.js';
import type { ProcessFilter } from '../api/types.js';
import type { Narrow } from '../native/interest.js';
/** What filters look at of a process; null, for what was not read or if its exec was not seen, matches nothing. */
export interface Judged {
    readonly name: string | null;
    readonly exe: string | null;
    readonly commandLine: string | null;
    readonly cgroup: string | null;
    readonly uid: number | null;
}
/** Whether a process passes. */
export type Predicate = (process: Judged) => boolean;
/** A ProcessFilter made ready for use. */
export interface Filter {
    /** The mask of the fields that `matches` looks at. */
    readonly fields: number;
    /** null: everything passes, unseen processes too. */
    readonly matches: Predicate | null;
    /** The number of its wish to follow an ancestor; 0 where it has none. */
    readonly ancestorId: number;
    /** What of it the native part can judge, too; null: nothing. */
    readonly narrow: Narrow | null;
}
/** The kernel's own limit (PID_MAX_LIMIT on 64 bits). */
export declare const PID_MAX: number;
/** Checks and compiles a filter; property names in errors are those of the options it came with. */
export declare function compileFilter(filter: ProcessFilter): Filter;
/** The mask of some fields, as the native part is told it. */
export declare function fieldMask(fields: readonly ProcessField[]): number;
/** The mask of the fields that `capture` names, or 0 without one. */
export declare function captureMask(capture: unknown): number;
/** Refuses all but abort signals, as Node.js does: by their shape, since there may be several realms. */
export declare function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined;
