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
mod reading;
mod renames;
mod snapshot_task;
mod supervision;
mod waiting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::time::ClockId;
use tokio::runtime::Builder;
use tokio::time::Instant;

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
use crate::sys::scheduling::ThreadScheduling;
use coalescer::Coalescer;
use command_queue::{Command, CommandReceiver};
use handle::ReaderHandle;
use host::LinuxProcesses;
use interest::{combined_interest, kernel_types};
use interval::IntervalTimer;
use renames::RenamePause;
use snapshot_task::SnapshotTask;

/// Maximum time that the shutdown waits for the snapshot in flight.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
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
    /// True if the costs of processes cannot be read.
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
                self.apply_usage();
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
