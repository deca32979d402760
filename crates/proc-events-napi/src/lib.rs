//! The Node-API binding of proc-events. It converts values, and decides nothing: the facade decides what to subscribe
//! to, and the core decides what to report.

mod error;
mod options;
mod record;
mod record_writer;
mod waker;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use error::NativeError;
use napi::Result;
use napi::bindgen_prelude::{Float64ArraySlice, FnArgs, Function, Uint32Array};
use napi_derive::napi;
use options::{NativeFilterRule, NativeOptions};
use proc_events::{FilterRule, Interest, Procfs, Subscription};
use record_writer::RecordWriter;

/// Length of the array that [`Source::stats`] fills.
const STATS_LEN: usize = 25;

/// One subscription to the process-wide reader thread.
#[napi]
#[derive(Debug)]
pub struct Source {
    writer: Rc<RefCell<RecordWriter>>,
}

#[napi]
impl Source {
    /// Opens a subscription, and returns at once. The first record reports success (`OPENED`) or failure (`FAILED`).
    ///
    /// @param words - The array that records are copied to, see `drain`.
    /// @param onRecords - Called on this thread when records are queued. The arguments are `end`, which `drain` would
    /// have returned, and `drained`, which is true if no record is left. Once drained, `onRecords` is called again for
    /// the next record. While `words[0]` is not 0, nothing is copied, and the arguments are `0` and `false`.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        options: NativeOptions,
        words: Uint32Array,
        on_records: Function<'_, FnArgs<(i32, bool)>, ()>,
    ) -> Result<Self> {
        // The waker needs the writer, and the writer needs the subscription, which needs the waker.
        let cell = Rc::default();
        let waker = waker::new(on_records, Rc::clone(&cell))?;
        let max_latency = options.max_latency;
        let (options, queue_size, rules) = options.into_core();
        let interest = rules.iter().map(FilterRule::interest).fold(Interest::default(), Interest::union);
        let subscription = Subscription::new(options, queue_size, interest, waker);
        subscription.set_max_latency_ms(max_latency);
        subscription.set_filter_rules(&rules);
        let writer = Rc::new(RefCell::new(RecordWriter::new(subscription, words)));
        // Cannot fail, because only this line sets the cell.
        let _ = cell.set(Rc::downgrade(&writer));
        Ok(Self { writer })
    }

    /// Copies whole records to `words[3..]`, and writes their end index to `words[0]`. The facade writes 0 to
    /// `words[0]` once it has handled them. `words[1]` and `words[2]` are the low and the high half of a time
    /// offset in nanoseconds. A record's time plus this offset is the time since the Unix epoch.
    ///
    /// @returns The end index. 0: no record is queued, and `onRecords` is called for the next one. -n: the next record
    /// needs an array of n words.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> i32 {
        self.writer.borrow_mut().fill().0
    }

    /// Replaces the array that records are copied to.
    #[napi(catch_unwind)]
    pub fn set_buffer(&self, words: Uint32Array) {
        self.writer.borrow_mut().words = words;
    }

    /// Adds a rule. An event is reported if any rule matches. The cost does not depend on the number of rules.
    #[napi(catch_unwind)]
    pub fn add_rule(&self, rule: NativeFilterRule) {
        self.writer.borrow().subscription.add_rule(&rule.into());
    }

    /// Removes one rule that equals `rule`.
    #[napi(catch_unwind)]
    pub fn remove_rule(&self, rule: NativeFilterRule) {
        self.writer.borrow().subscription.remove_rule(&rule.into());
    }

    /// Queues an exec record of origin `bootstrap` for every running process, then a `SCAN_FINISHED` record. All of
    /// them carry `id`. They precede the live events that wait for the scan.
    #[napi(catch_unwind)]
    pub fn scan(&self, id: u32) {
        self.writer.borrow().subscription.scan(id);
    }

    /// Queues a `WATCH_RESULT` record with `id`:
    /// - Running: the next exit record of `pid` is the exit of this process.
    /// - Gone: the last exit record of `pid`, if any, was the exit of this process. With a `startTime`, only if the record has it.
    /// - Exited: the process is a zombie, or has just exited. The record carries its exit status if that is known.
    /// - Foreign: `/proc` shows another pid namespace.
    ///
    /// With a `startTime` in clock ticks, a process with this pid that was created at another time does not count.
    #[napi(catch_unwind)]
    pub fn watch_exit(&self, id: u32, pid: u32, start_time: Option<f64>) {
        let start_time = start_time.map(|ticks| ticks as u64);
        self.writer.borrow().subscription.watch_exit(id, pid, start_time);
    }

    /// Queues a `FLUSHED` record with `id`, after all events that the kernel has reported by now.
    #[napi(catch_unwind)]
    pub fn flush(&self, id: u32) {
        self.writer.borrow().subscription.flush(id);
    }

    /// Fills `out` with 25 numbers. Counters start at 0 when the source is opened; gauges are present values.
    ///
    /// 0. counter: events read from the source.
    /// 1. counter: execs among them.
    /// 2. counter: exits among them.
    /// 3. counter: times that the source was reopened.
    /// 4. counter: times that reopening it failed.
    /// 5. counter: snapshots of `/proc` that failed.
    /// 6. counter: events that the socket dropped.
    /// 7. counter: events that the queue dropped.
    /// 8. counter: resyncs after a loss.
    /// 9. gauge: queued records.
    /// 10. gauge: maximum of queued records so far.
    /// 11. gauge: effective size of the receive buffer, in bytes.
    /// 12. gauge: processes known to run.
    /// 13. counter: datagrams that are malformed, or not from the kernel.
    /// 14. counter: messages without effect, for example duplicates.
    /// 15. gauge: priority of the reader thread (0: ordinary, 1: short time slice, 2: real-time).
    /// 16. counter: captures given up because a read hung, or was expected to hang.
    /// 17. gauge: abandoned threads whose read hangs.
    /// 18. counter: events queued without their texts, because the byte budget for texts was used up.
    /// 19. counter: batches of records that were copied.
    /// 20. counter: records of the largest batch.
    /// 21. counter: process ids that were free again before the reader could look at them.
    /// 22. counter: exits whose status could not be had, without the connector.
    /// 23. gauge: how processes are noticed without the connector (0: not at all, 1: snapshots, 2: last process id).
    /// 24. counter: exits whose cost was lost.
    #[napi(catch_unwind)]
    pub fn stats(&self, mut out: Float64ArraySlice<'_>) {
        #[expect(unsafe_code, reason = "the type cannot express that JavaScript does not run meanwhile")]
        // SAFETY: this runs on JavaScript's thread, and JavaScript does not run before it returns.
        let out = unsafe { out.as_mut() };
        let writer = self.writer.borrow();
        let counts = writer.subscription.counts();
        let queue = writer.subscription.queue_stats();
        let gauges = writer.subscription.gauges();
        let values: [u64; STATS_LEN] = [
            counts.events,
            counts.exec,
            counts.exit,
            counts.restart,
            counts.reinit_failed,
            counts.process_scan_failed,
            counts.lost_socket,
            queue.lost,
            counts.resync,
            (queue.depth + writer.pending()) as u64,
            queue.high_water as u64,
            gauges.receive_buffer_size,
            gauges.tracked_processes,
            counts.rejected,
            counts.ignored,
            gauges.priority,
            counts.capture_timeouts,
            gauges.stuck_threads,
            queue.details_dropped,
            writer.batches,
            writer.largest_batch,
            counts.unseen,
            counts.exits_without_status,
            gauges.watching,
            counts.usage_lost,
        ];
        for (target, value) in out.iter_mut().zip(values) {
            *target = value as f64;
        }
    }

    /// Asks the reader to release this subscription. A `CLOSED` record is the last one.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.writer.borrow().subscription.stop();
    }

    /// Waits for the end of the reader thread if no other source uses it. To be called once, after the `CLOSED` record.
    #[napi(catch_unwind)]
    pub fn join(&self) {
        self.writer.borrow().subscription.join();
    }
}

/// The result of {@link deletedPids}.
#[napi(object)]
#[derive(Debug)]
pub struct NativeDeletedPids {
    /// The pids whose process has exited. Empty if `error` is present.
    pub pids: Vec<u32>,
    /// Present if the proc file system cannot be read.
    pub error: Option<NativeError>,
}

/// Returns those of `pids` whose process has exited, including zombies, and the pids that now belong to a thread.
#[napi(catch_unwind)]
pub fn deleted_pids(pids: &[u32], proc_root: String) -> NativeDeletedPids {
    let exited =
        Procfs::open(&PathBuf::from(proc_root)).and_then(|procfs| Arc::new(procfs).exited_among(pids));
    match exited {
        Ok(pids) => NativeDeletedPids { pids, error: None },
        Err(error) => NativeDeletedPids { pids: Vec::new(), error: Some(error.into()) },
    }
}

/// The result of {@link signalProcess}.
#[napi(object)]
#[derive(Debug)]
pub struct NativeSignalResult {
    /// True if the signal was sent. False if the process has exited, or if `error` is present.
    pub sent: bool,
    /// Present if the process may not be signalled, or if the call failed otherwise.
    pub error: Option<NativeError>,
}

/// Sends a signal, 0 to 64, to the process that has this pid and start time in clock ticks.
#[napi(catch_unwind)]
pub fn signal_process(pid: u32, start_time: f64, signal: i32) -> NativeSignalResult {
    match proc_events::signal_process(pid, start_time as u64, signal) {
        Ok(sent) => NativeSignalResult { sent, error: None },
        Err(error) => NativeSignalResult { sent: false, error: Some(error.into()) },
    }
}

/// The result of {@link probe}.
#[napi(object)]
#[derive(Debug)]
pub struct NativeProbe {
    /// Absent if the kernel's process connector can be used.
    pub netlink: Option<NativeError>,
    /// Absent if `/proc` can be polled, and shows the processes of all users.
    pub polling: Option<NativeError>,
    /// Absent if the costs of processes can be read.
    pub usage: Option<NativeError>,
}

/// Returns null if the costs of processes can be read where the connector can be used. Leaves no trace.
#[napi(catch_unwind)]
pub fn probe_usage(proc_root: String) -> Option<NativeError> {
    proc_events::taskstats::probe(&PathBuf::from(proc_root)).err().map(NativeError::from)
}

/// Finds out which sources this environment permits, and leaves no trace.
#[napi(catch_unwind)]
pub fn probe(proc_root: String) -> NativeProbe {
    let report = proc_events::probe(&PathBuf::from(proc_root));
    NativeProbe {
        netlink: report.netlink.err().map(NativeError::from),
        polling: report.polling.err().map(NativeError::from),
        usage: report.usage.err().map(NativeError::from),
    }
}
