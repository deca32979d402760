/** Events as an async iterable: a bounded buffer between the callbacks and a loop that takes its time. */
import { ProcessMonitorError } from '../api/errors.js';
import type { EventOf, EventType, ProcessEvent } from '../api/event-types.js';
import type { EventsOptions, SubscribeOptions, Unsubscribe } from '../api/types.js';
/** What ends with the monitor, and is told of it once. */
export interface StopListener {
    /** `failure` is why the source ended by itself; null where it was stopped. */
    onMonitorEnd(failure: ProcessMonitorError | null): void;
}
/** The subscriptions that a stream makes. */
type Subscribe = (type: EventType, push: (pid: number, event: ProcessEvent) => void, options: SubscribeOptions) => Unsubscribe;
/** Checks the options as a user gave them, and subscribes at once; `ProcessMonitor.events` tells the rest. */
export declare function openStream<T extends EventType>(options: EventsOptions<T>, subscribe: Subscribe, stopListeners: Set<StopListener>): AsyncIterableIterator<EventOf<T>> & AsyncDisposable;
export {};
