/** The public counters and gauges of the monitor. */

/**
 * Counters and gauges of the monitor. Counters count since `initialize`, and are zero before it. Gauges hold the current value,
 * and are zero while nothing is monitored.
 */
export interface MonitorStats {
  /** Gauge: the source of events. null: nothing is monitored. */
  readonly source: 'netlink' | 'polling' | null
  /**
   * Gauge: how processes are noticed without the connector. `'perf'`: by perf events, with which the kernel reports them.
   * `'cursor'`: by the ids that were given out last, and a pidfd of each process. `'snapshot'`: by snapshots of /proc only, for
   * example in a sandbox that hides the last id. null: the connector reports them, or nothing is monitored.
   */
  readonly watching: 'perf' | 'cursor' | 'snapshot' | null
  /**
   * Process ids that were given out and free again before the polling source could look at them. Each is a process or a
   * thread that was never seen.
   */
  readonly unseen: number
  /** Exits of which the polling source could not get the exit code. */
  readonly exitsWithoutStatus: number
  /** Events received, of all types. */
  readonly events: number
  /** Exec events received. */
  readonly exec: number
  /** Exit events received. */
  readonly exit: number
  /** Times the source was reopened. */
  readonly restart: number
  /** Times reopening the source failed. */
  readonly reinitFailed: number
  /** Times /proc could not be scanned. */
  readonly processScanFailed: number
  /** Callbacks called. */
  readonly callbackExecuted: number
  /** Events that the kernel dropped, because the socket's buffer, or that of perf events, was full. */
  readonly lostSocket: number
  /** Events that the queue to JavaScript dropped. */
  readonly lostQueue: number
  /** Repairs of the process table from /proc. */
  readonly resync: number
  /** Datagrams rejected because they did not come from the kernel or were malformed. */
  readonly rejected: number
  /**
   * Kernel events that were ignored deliberately. They are of an unknown type, or repeat an exec or exit. The exit of a thread
   * group leader is also ignored when another thread of the group calls exec. The exits of the other threads are ignored when
   * the leader has exited before.
   */
  readonly ignored: number
  /**
   * Processes whose arguments are null because a read of their memory, this one or an earlier one, did not return in time.
   * A process on a file system that does not respond is one cause.
   */
  readonly captureTimeouts: number
  /**
   * Events delivered without arguments and working directory, because the texts queued for JavaScript took 64 MiB. Their
   * `cwd` is null, their `argv` is empty with `argvTruncated`, and no filter on `commandLine` matches.
   */
  readonly detailsDropped: number
  /**
   * Exits whose cost was lost, because the kernel dropped records of costs or events. It does not count the exits whose cost
   * cannot be read here, or that were before a subscription captured it.
   */
  readonly usageLost: number
  /** Batches of events handed to JavaScript. Each is one wake-up, unless the event loop was busy. */
  readonly batches: number
  /** The most events of one batch. */
  readonly largestBatch: number
  /** Gauge: events waiting for JavaScript. */
  readonly queueDepth: number
  /** The most events that have waited for JavaScript at once. */
  readonly queueHighWater: number
  /** Gauge: the size of the socket's receive buffer, in bytes, as the kernel granted it. */
  readonly receiveBufferSize: number
  /** Gauge: live processes in the process table. */
  readonly trackedProcesses: number
  /** Gauge: native threads blocked in a read that did not return in time. No other thread waits for them. */
  readonly stuckThreads: number
  /**
   * Gauge: the scheduling of the threads that capture details (see {@link MonitorOptions.priority}), as the kernel has granted
   * it. If a CPU has come online and has no such thread yet, that of the native thread. null: nothing is monitored.
   */
  readonly priority: 'ordinary' | 'short-slice' | 'realtime' | null
  /** References taken by `getProcessMonitor()` and not given back by `stop()`. */
  readonly references: number
}
