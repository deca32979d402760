//! The reader: one thread with one event loop that connects all rooms.
//!
//! ```text
//!  socket is readable ──→ pipeline.drain ────────────┐
//!  watched process exited → pipeline.on_watched_exits ┼─→ process table ─→ subscriber queues
//!  cursor has reported ──→ pipeline.apply_reports ────┤
//!  snapshot finished ───→ pipeline.finish_snapshot ──┘
//!  command of a subscriber → interest ─→ kernel filter, capture workers
//!  self-test timer ─────→ reopen the source if the kernel no longer reports
//!
//!  after each: begin a snapshot if a resync or a scan is due
//! ```

mod apply;
mod coalescer;
pub(crate) mod command_queue;
mod commands;
pub(crate) mod connection;
pub(crate) mod handle;
mod host;
mod interest;
mod interval;
mod polling;
mod renames;
mod snapshot_task;
mod supervision;

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::time::ClockId;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::connector::Connector;
use crate::connector::namespace::clock_offset_ns;
use crate::cursor::CursorSource;
use crate::delivery::queue::SubscriberQueue;
use crate::error::{Error, ErrorCode};
use crate::model::notification::Notification;
use crate::model::now::Now;
use crate::model::snapshot::Snapshot;
use crate::pipeline::Pipeline;
use crate::pipeline::activity::SELF_TEST_INTERVAL;
use crate::procfs::{Procfs, clock_ns};
use crate::sys;
use crate::sys::scheduling::ThreadScheduling;
use coalescer::{COALESCE_DELAY, Coalescer};
use command_queue::{Command, CommandReceiver};
use handle::ReaderHandle;
use host::LinuxProcesses;
use interest::{combined_interest, kernel_types};
use interval::IntervalTimer;
use renames::RenamePause;
use snapshot_task::SnapshotTask;

/// Maximum time that the shutdown waits for the snapshot in flight.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of datagrams that one read handles before the loop handles other wake-ups.
const READ_BUDGET: usize = 1024;
/// The socket's buffer fills at most so fast that half of it lasts for its size divided by this, in microseconds: 100,000
/// events a second of some 840 bytes.
const BYTES_PER_MICROSECOND: u64 = 168;
/// The shortest time between two checks of the buffer.
const MIN_SLICE: Duration = Duration::from_micros(500);
/// Memory of a datagram in the socket's buffer, in bytes.
const DATAGRAM_BYTES: u64 = 832;

/// Runs a reader until its last subscription leaves, or until it fails. This is the body of the reader thread.
pub(crate) fn run(handle: &ReaderHandle) {
    let mut queues = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        // The one blocking thread takes the snapshots. Without keep-alive it ends with each snapshot.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .build()
            .map_err(|error| Error::from_io("epoll_create", "of the reader thread", &error))?;
        let result = runtime.block_on(async { Reader::open(handle, &mut queues).await?.run().await });
        // Every wait of the snapshot thread is bounded. If it is late, it ends by itself.
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        result
    }));
    let failure = match result {
        Ok(result) => result.err(),
        Err(_) => Some(Error::detected(ErrorCode::SourceFailed, "the reader thread panicked")),
    };
    // Detaching never fails.
    let _ = handle.kernel_filter.attach(None);
    handle.refuse_joins();
    // Subscriptions that joined in the meantime also receive the failure.
    while let Some(command) = handle.commands.pop() {
        if let Command::Join(queue) = command {
            queues.push(queue);
        }
    }
    for queue in queues {
        if let Some(error) = &failure {
            queue.notify(Notification::Failed(error.clone()));
        }
        queue.notify(Notification::Closed);
    }
}

/// The reason why the event loop woke up.
enum Wake {
    Command(Command),
    /// The socket is readable.
    Readable,
    Snapshot(Result<Snapshot, Error>),
    /// The cursor's thread has reported processes, or has ended.
    Reported,
    /// The pids of watched processes that exited.
    Exited(Vec<u32>),
    /// The self-test timer has ticked.
    SelfTestDue,
    /// A resync, a deferred snapshot or the report of a pending exit is due.
    Due,
}

struct Reader<'a> {
    handle: &'a ReaderHandle,
    commands: CommandReceiver<'a>,
    pipeline: Pipeline<'a, Connector, LinuxProcesses>,
    /// The thread that notices processes without the connector.
    cursor: Option<CursorSource>,
    /// Time of the next check for a thread of the cursor that hangs.
    cursor_check: Option<Instant>,
    /// The snapshot in flight.
    snapshot_task: Option<SnapshotTask>,
    scheduling: ThreadScheduling,
    coalescer: Coalescer,
    rename_pause: RenamePause,
    /// Time at which the present sleep began, if one was interrupted.
    sleep_began: Option<Instant>,
    self_test_timer: IntervalTimer,
    /// The reason why the reader polls `/proc` although the options ask for the connector.
    fallback_reason: Option<Error>,
    /// The sum of all [`SubscriberQueue::tags_revision`]s when the ancestry tags were last set. `None` after a
    /// subscription joined or left.
    tags_revision: Option<u64>,
    /// True if the costs of processes could not be read.
    has_usage_failed: bool,
}

impl<'a> Reader<'a> {
    /// Opens the source for the first subscription.
    async fn open(
        handle: &'a ReaderHandle,
        queues: &'a mut Vec<Arc<SubscriberQueue>>,
    ) -> Result<Self, Error> {
        let commands = handle
            .commands
            .receiver()
            .map_err(|error| Error::from_io("eventfd2", "of the command queue", &error))?;
        // The first command is always `Join`. That subscriber is notified if opening fails.
        if let Ok(Command::Join(queue)) = commands.recv().await {
            queues.push(queue);
        }
        let options = &handle.options;
        let procfs = Procfs::open(&options.proc_root)?.with(options.max_argv_bytes, &handle.stats);
        let procfs = Arc::new(procfs);
        let interest = combined_interest(queues);
        let (connector, fallback_reason) = connection::open(options, &procfs, kernel_types(queues))?;
        let host = LinuxProcesses::new(&procfs, options.raise_priority)
            .map_err(|error| Error::from_io("epoll_create", "of the exit watcher", &error))?;
        let mut pipeline = Pipeline::new(host, queues, interest, &handle.stats);
        pipeline.resync.report_kernel_threads(options.kernel_threads);
        pipeline.interest_changes = Arc::clone(&handle.interest_changes);
        pipeline.clock_offset_ns = clock_offset_ns(&options.proc_root);
        let mut reader = Self {
            handle,
            commands,
            pipeline,
            cursor: None,
            cursor_check: None,
            snapshot_task: None,
            scheduling: ThreadScheduling::of_this_thread(),
            coalescer: Coalescer::default(),
            rename_pause: RenamePause::default(),
            sleep_began: None,
            self_test_timer: IntervalTimer::every(SELF_TEST_INTERVAL)
                .map_err(|error| Error::from_io("timerfd_create", "of the self-test", &error))?,
            fallback_reason,
            tags_revision: None,
            has_usage_failed: false,
        };
        reader.attach(connector)?;
        reader.apply_interest()?;
        reader.pipeline.queues.iter().for_each(|queue| reader.announce_source(queue));
        Ok(reader)
    }

    /// Runs the event loop until the last subscription has left.
    async fn run(mut self) -> Result<(), Error> {
        loop {
            let wake = self.next_wake().await?;
            match self.handle_wake(wake).and_then(|is_unused| Ok(is_unused || self.begin_snapshot_if_due()?))
            {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.code == ErrorCode::SourceFailed => self.reopen(error)?,
                Err(error) => return Err(error),
            }
            if let Some(leaderless) = self.pipeline.table.take_changed_leaderless() {
                self.handle.kernel_filter.pass_threads_of(leaderless);
            }
            self.handle.tracked_processes.store(self.pipeline.table.len() as u64, Ordering::Relaxed);
        }
    }

    /// Waits for the next wake-up.
    async fn next_wake(&mut self) -> Result<Wake, Error> {
        let report_due = self
            .pipeline
            .expected_until()
            .into_iter()
            .chain(self.rename_pause.until)
            .chain(self.cursor_check);
        let reads_again = self.coalescer.should_read_again() && self.update_scheduling();
        let is_behind = self.pipeline.is_behind();
        let Pipeline { source, processes, resync, .. } = &mut self.pipeline;
        let due = resync.due().into_iter().chain(report_due).min();
        let exit_watcher = processes.exit_watcher();
        // Skip the select. Commands are drained before the next read anyway, and a steady stream of events needs no
        // self-test.
        if reads_again
            && self.sleep_began.is_none()
            && source.is_some()
            && due.is_none()
            && self.snapshot_task.is_none()
            && exit_watcher.is_empty()
        {
            return Ok(Wake::Readable);
        }
        let wake = tokio::select! {
            biased;
            command = self.commands.recv() => command.map(Wake::Command),
            snapshot = finished(self.snapshot_task.as_mut()) => Ok(Wake::Snapshot(snapshot)),
            exited = exit_watcher.exited(), if !exit_watcher.is_empty() => exited.map(Wake::Exited),
            () = until(due) => Ok(Wake::Due),
            tick = self.self_test_timer.tick() => tick.map(|()| Wake::SelfTestDue),
            ready = reported(self.cursor.as_ref()), if self.cursor.is_some() => ready.map(|()| Wake::Reported),
            ready = readable(source.as_ref(), is_behind || reads_again) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| Error::from_io("epoll_wait", "of the reader thread", &error))
    }

    /// Handles one wake-up. Returns true if the last subscription has left.
    fn handle_wake(&mut self, wake: Wake) -> Result<bool, Error> {
        // Apply pending commands before reading the socket, so that an interest applies to every datagram sent after it
        // was set.
        let now = now();
        let is_unused = match &wake {
            Wake::Command(_) => Ok(false),
            Wake::Snapshot(_) => {
                self.snapshot_task = None;
                self.drain_commands().inspect_err(|_| self.pipeline.resync.abandon())
            }
            _ => self.drain_commands(),
        };
        if is_unused? {
            return Ok(true);
        }
        // The table must have all reports that precede the end of the snapshot.
        if self.cursor.is_some() {
            self.apply_reports(now.instant);
        }
        match wake {
            Wake::Command(command) => return self.handle_command(command),
            Wake::Readable => self.read_socket()?,
            Wake::Snapshot(snapshot) => {
                self.look_now();
                self.take_watched_exits(now)?;
                self.pipeline.finish_snapshot(snapshot, now)?;
            }
            Wake::Exited(pids) => self.pipeline.on_watched_exits(&pids, now)?,
            Wake::Reported => {}
            Wake::SelfTestDue => {
                self.capture_on_new_cpus();
                self.check_connector()?;
            }
            Wake::Due => {
                self.resume_renames_if_due(now.instant)?;
                self.replace_cursor_if_hung(now);
                self.pipeline.expire_pending_exits(now)?;
                self.pipeline.finish_snapshot_if_due(now)?;
            }
        }
        Ok(false)
    }

    fn read_socket(&mut self) -> Result<(), Error> {
        // Sleep only if nothing is captured here: `/proc/PID` disappears with the process. (Capture workers, where they
        // run, read it in time.)
        let may_sleep = self.update_scheduling() && !self.pipeline.is_behind();
        let now_ns = || clock_ns(ClockId::Monotonic);
        let delay = || self.coalescer.coalesce_delay(self.is_snapshot_awaited(), now_ns);
        match may_sleep.then(delay).flatten() {
            Some(delay) if !self.sleep(delay) => return Ok(()),
            Some(_) => {}
            None => self.sleep_began = None,
        }
        let before = self.handle.stats.events.get();
        self.pipeline.drain(READ_BUDGET)?;
        self.pause_renames_if_many()?;
        let count = self.handle.stats.events.get() - before;
        self.coalescer.record_read(count as u32, count < READ_BUDGET as u64, self.pipeline.last_ns());
        Ok(())
    }

    /// Returns true if a snapshot, or the time for one, is awaited. A long sleep would delay it.
    fn is_snapshot_awaited(&self) -> bool {
        let Pipeline { resync, .. } = &self.pipeline;
        self.snapshot_task.is_some() || resync.has_reason() || self.pipeline.expected_until().is_some()
    }

    /// Sleeps, so that more events arrive. The socket does not end the sleep, but a half full buffer does, and so do half as many
    /// events as the shortest queue holds. Returns false
    /// if a command or the exit of a watched process must be handled first.
    fn sleep(&mut self, delay: Duration) -> bool {
        let began = *self.sleep_began.get_or_insert_with(Instant::now);
        let Self { commands, pipeline, .. } = self;
        let Pipeline { source, processes, queues, usage, .. } = pipeline;
        let Some(connector) = source else { return true };
        let has_many_records = || usage.as_ref().is_some_and(|usage| usage.is_half_full());
        let exit_watcher = processes.exit_watcher();
        // The delay at a high rate is too short to be worth checks of the buffer.
        let checks = delay > COALESCE_DELAY;
        let (mut slice, mut capacity) = (delay, u64::MAX);
        if checks {
            let queue_bytes = queues.iter().map(|queue| queue.capacity() as u64 * DATAGRAM_BYTES).min();
            let buffer_bytes = self.handle.receive_buffer_size.load(Ordering::Relaxed);
            capacity = buffer_bytes.min(queue_bytes.unwrap_or(u64::MAX));
            slice = MIN_SLICE.max(Duration::from_micros(capacity / BYTES_PER_MICROSECOND));
        }
        loop {
            let left = delay.saturating_sub(began.elapsed());
            let is_half_full = || u64::from(connector.queued_bytes()) > capacity / 2 || has_many_records();
            if left.is_zero() || checks && is_half_full() {
                break;
            }
            if sys::sleep_until_readable([commands.as_fd(), exit_watcher.as_fd()], left.min(slice)) {
                return false;
            }
        }
        self.sleep_began = None;
        true
    }

    /// Begins a snapshot if a resync or a scan is due. Returns true if the last subscription has left.
    fn begin_snapshot_if_due(&mut self) -> Result<bool, Error> {
        if !self.pipeline.resync.has_reason() {
            return Ok(false);
        }
        let now = now();
        if self.drain_commands()? {
            return Ok(true);
        }
        if self.pipeline.begin_snapshot_if_due(now)? {
            self.look_now();
            let fields = self.pipeline.interest.fields;
            let known = self.pipeline.table.known(fields);
            self.snapshot_task = Some(SnapshotTask::begin(self.pipeline.processes.procfs(), fields, known));
        }
        Ok(false)
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), monotonic_ns: clock_ns(ClockId::Monotonic) }
}

/// Waits for the snapshot in flight. Waits forever if there is none.
async fn finished(task: Option<&mut SnapshotTask>) -> Result<Snapshot, Error> {
    match task {
        Some(task) => task.finished().await,
        None => pending().await,
    }
}

/// Waits until the cursor's thread has reported processes. Waits forever without one.
async fn reported(cursor: Option<&CursorSource>) -> io::Result<()> {
    match cursor {
        Some(cursor) => cursor.readable().await,
        None => pending().await,
    }
}

/// Waits until the socket is readable, or only yields if the caller `reads_again` in any case. Waits forever without a
/// socket.
async fn readable(connector: Option<&Connector>, reads_again: bool) -> io::Result<()> {
    match connector {
        // Yield once, so that the runtime can poll the other wake-ups.
        Some(_) if reads_again => {
            yield_now().await;
            Ok(())
        }
        Some(connector) => connector.readable().await,
        None => pending().await,
    }
}

/// Waits until `due`. Waits forever if nothing is due.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
