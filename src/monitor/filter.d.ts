import type { ProcessField } from '../api/event-types.js';
import type { ProcessFilter } from '../api/types.js';
import type { FilterCriteria } from '../native/interest.js';
import type { FilterSubject } from '../native/record-view.js';
/** Returns true if a process passes. */
export type Predicate = (process: FilterSubject) => boolean;
/** A ProcessFilter made ready for use. */
export interface CompiledFilter {
    /** The mask of the fields that `matches` reads. */
    readonly fields: number;
    /** null: everything passes, unseen processes too. */
    readonly matches: Predicate | null;
    /** The tag of records whose process descends from the filter's ancestor; 0 where it names none. */
    readonly ancestorId: number;
    /** The conditions that the native part can check, too; null: none. */
    readonly criteria: FilterCriteria | null;
}
/** The kernel's limit of pids on 64 bits. */
export declare const PID_MAX_LIMIT: number;
/** Checks and compiles a filter; property names in errors are those of the options it came with. */
export declare function compileFilter(filter: ProcessFilter): CompiledFilter;
/** The mask of some fields, in the native part's bits. */
export declare function fieldMask(fields: readonly ProcessField[]): number;
/** The mask of the fields that `capture` names, or 0 without one. */
export declare function captureMask(capture: unknown): number;
/** Refuses all but abort signals, as Node.js does: by their shape, since there may be several realms. */
export declare function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined;
