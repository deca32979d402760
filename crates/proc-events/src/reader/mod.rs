//! The one thread that connects the rooms: it reads the socket, keeps the table, and fills the outboxes.

mod coalescer;
pub(crate) mod command_queue;
mod commands;
pub(crate) mod connection;
pub(crate) mod handle;
mod host;
mod interval;
mod snapshot_task;

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
use crate::delivery::queue::SubscriberQueue;
use crate::error::{Error, ErrorCode};
use crate::model::notification::Notification;
use crate::model::now::Now;
use crate::model::snapshot::Snapshot;
use crate::pipeline::Pipeline;
use crate::pipeline::activity::SELF_TEST_INTERVAL;
use crate::procfs::{Procfs, clock_ns};
use crate::reader::handle::ReaderHandle;
use crate::sys::scheduling::ThreadScheduling;
use coalescer::Coalescer;
use command_queue::{Command, CommandReceiver};
use commands::{kernel_types, wanted};
use host::LinuxProcesses;
use interval::IntervalTimer;
use snapshot_task::SnapshotTask;

/// How long the end waits for a snapshot that is being taken.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Datagrams read before the loop looks at anything else.
const READ_BUDGET: usize = 1024;

/// The thread's body.
pub(crate) fn run(handle: &ReaderHandle) {
    let mut queues = Vec::new();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // Snapshots are taken on the one thread beside this one, which ends with them.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .build()
            .map_err(|error| Error::unexpected("epoll_create", &error))?;
        let result = runtime.block_on(async { Reader::open(handle, &mut queues).await?.run().await });
        // Nothing that the snapshot's thread does waits without a bound. Should it be late, it ends by itself.
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        result
    }));
    let failure = match ended {
        Ok(result) => result.err(),
        Err(_) => Some(Error::shown_by(ErrorCode::SourceFailed, "the reader's thread panicked")),
    };
    // Nothing can fail where nothing is opened.
    let _ = handle.kernel_filter.attach(None);
    handle.end();
    // Who had asked to join meanwhile is told the same.
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

/// Why the loop goes on.
enum Wake {
    Command(Command),
    Readable,
    Snapshot(Result<Snapshot, Error>),
    Exited(Vec<u32>),
    /// It is time to look whether the kernel still reports.
    SelfTestDue,
    /// A resync may be due, or a report that is waited for.
    Due,
}

struct Reader<'a> {
    handle: &'a ReaderHandle,
    commands: CommandReceiver<'a>,
    pipeline: Pipeline<'a, Connector, LinuxProcesses>,
    /// The snapshot that is being taken, if any.
    snapshot_task: Option<SnapshotTask>,
    scheduling: ThreadScheduling,
    coalescer: Coalescer,
    interval: IntervalTimer,
    /// Why `/proc` is polled although the connector was wished for.
    fallen_back: Option<Error>,
    /// The sum of the outboxes' [`SubscriberQueue::tags_revision`]s when they were last asked whom they tag; `None` where
    /// others have been asked.
    tags_revision: Option<u64>,
}

impl<'a> Reader<'a> {
    async fn open(
        handle: &'a ReaderHandle,
        queues: &'a mut Vec<Arc<SubscriberQueue>>,
    ) -> Result<Self, Error> {
        let commands = handle.commands.receiver().map_err(|error| Error::unexpected("eventfd2", &error))?;
        // Somebody has joined, or this thread would not have been started; a failure to open is theirs to hear.
        if let Ok(Command::Join(queue)) = commands.recv().await {
            queues.push(queue);
        }
        let options = &handle.options;
        let procfs = Procfs::open(&options.proc_root)?.with(options.max_argv_bytes, &handle.stats);
        let procfs = Arc::new(procfs);
        let interest = wanted(queues);
        let (connector, fallen_back) = connection::open(options, &procfs, kernel_types(queues))?;
        let host = LinuxProcesses::new(&procfs, options.raise_priority)
            .map_err(|error| Error::unexpected("epoll_create", &error))?;
        let mut pipeline = Pipeline::new(host, queues, interest, &handle.stats);
        pipeline.interest_changes = Arc::clone(&handle.asked);
        pipeline.clock_offset_ns = clock_offset_ns(&options.proc_root);
        let mut reader = Self {
            handle,
            commands,
            pipeline,
            snapshot_task: None,
            scheduling: ThreadScheduling::of_this_thread(),
            coalescer: Coalescer::default(),
            interval: IntervalTimer::every(SELF_TEST_INTERVAL)
                .map_err(|error| Error::unexpected("timerfd_create", &error))?,
            fallen_back,
            tags_revision: None,
        };
        reader.attach(connector)?;
        reader.apply_interest()?;
        reader.pipeline.queues.iter().for_each(|queue| reader.announce_source(queue));
        Ok(reader)
    }

    async fn run(mut self) -> Result<(), Error> {
        loop {
            let wake = self.wake().await?;
            match self.handle_wake(wake).and_then(|is_over| Ok(is_over || self.begin_snapshot_if_due()?)) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.code == ErrorCode::SourceFailed => self.reopen(error)?,
                Err(error) => return Err(error),
            }
            self.handle.tracked_processes.store(self.pipeline.table.len() as u64, Ordering::Relaxed);
        }
    }

    /// Whether the last subscription has left.
    fn begin_snapshot_if_due(&mut self) -> Result<bool, Error> {
        if !self.pipeline.resync.has_reason() {
            return Ok(false);
        }
        let now = now();
        if self.drain_commands()? {
            return Ok(true);
        }
        if self.pipeline.begin_snapshot_if_due(now)? {
            let fields = self.pipeline.interest.fields;
            let known = self.pipeline.table.known(fields);
            self.snapshot_task = Some(SnapshotTask::begin(self.pipeline.processes.procfs(), fields, known));
        }
        Ok(false)
    }

    /// Whether the last subscription has left.
    fn handle_wake(&mut self, wake: Wake) -> Result<bool, Error> {
        // What was sent by now may be read by what follows: what was asked for by then comes first.
        let now = now();
        let is_over = match &wake {
            Wake::Command(_) => Ok(false),
            Wake::Snapshot(_) => {
                self.snapshot_task = None;
                self.drain_commands().inspect_err(|_| self.pipeline.resync.abandon())
            }
            _ => self.drain_commands(),
        };
        if is_over? {
            return Ok(true);
        }
        match wake {
            Wake::Command(command) => return self.handle_command(command),
            Wake::Readable => self.read_socket()?,
            Wake::Snapshot(snapshot) => self.pipeline.finish_snapshot(snapshot, now)?,
            Wake::Exited(pids) => self.pipeline.on_watched_exits(&pids, now)?,
            Wake::SelfTestDue => self.check_connector()?,
            Wake::Due => {
                self.pipeline.expire_pending_exits(now)?;
                self.pipeline.finish_snapshot_if_due(now)?;
            }
        }
        Ok(false)
    }

    fn read_socket(&mut self) -> Result<(), Error> {
        // What is captured is gone when the process is, unless others see to that.
        if self.update_scheduling()
            && let Some(delay) = self.coalescer.batch_delay(|| clock_ns(ClockId::Monotonic))
        {
            std::thread::sleep(delay);
        }
        let before = self.handle.stats.events.get();
        self.pipeline.drain(READ_BUDGET)?;
        let count = self.handle.stats.events.get() - before;
        self.coalescer.read(count as u32, count < READ_BUDGET as u64, self.pipeline.last_ns());
        Ok(())
    }

    async fn wake(&mut self) -> Result<Wake, Error> {
        let expected = self.pipeline.expected_until();
        let gathers_on = self.coalescer.expects_more() && self.update_scheduling();
        let is_behind = self.pipeline.is_behind();
        let Pipeline { source, processes, resync, .. } = &mut self.pipeline;
        let due = resync.due().into_iter().chain(expected).min();
        let exit_watcher = processes.exit_watcher();
        // Commands are asked for in any case, and that it hears needs no proof: nothing is left to be looked for.
        if gathers_on
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
            ended = exit_watcher.ended(), if !exit_watcher.is_empty() => ended.map(Wake::Exited),
            () = until(due) => Ok(Wake::Due),
            tick = self.interval.next() => tick.map(|()| Wake::SelfTestDue),
            ready = readable(source.as_ref(), is_behind || gathers_on) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| Error::unexpected("epoll_wait", &error))
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), monotonic_ns: clock_ns(ClockId::Monotonic) }
}

async fn finished(task: Option<&mut SnapshotTask>) -> Result<Snapshot, Error> {
    match task {
        Some(task) => task.finished().await,
        None => pending().await,
    }
}

async fn readable(connector: Option<&Connector>, expects_more: bool) -> io::Result<()> {
    match connector {
        // What else there is to answer gets its turn.
        Some(_) if expects_more => {
            yield_now().await;
            Ok(())
        }
        Some(connector) => connector.readable().await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
