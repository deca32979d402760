//! The one thread that connects the rooms: it reads the socket, keeps the table, and fills the outboxes.

mod beat;
mod command_queue;
mod commands;
mod cpus;
mod finds;
mod host;
mod look;
mod pace;
mod scouts;
mod source;

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

use crate::error::{Error, ErrorCode};
use crate::hearing::Hearing;
use crate::liveness::SILENCE;
use crate::monitor::Shared;
use crate::namespace::clock_offset_ns;
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::priority::Schedule;
use crate::procfs::{Procfs, Snapshot, clock_ns};
use crate::socket::Connector;
use beat::Beat;
use command_queue::CommandReceiver;
use commands::{passing, wanted};
use host::Host;
use look::Look;
use pace::Pace;

/// How long the end waits for a snapshot that is being taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams read before the loop looks at anything else.
const TURN: usize = 1024;

pub(crate) use command_queue::{Command, CommandQueue};
pub(crate) use source::THREAD_NAME;

/// The thread's body.
pub(crate) fn run(shared: &Shared) {
    let mut outboxes = Vec::new();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // Snapshots are taken on the one thread beside this one, which ends with them.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .build()
            .map_err(|error| Error::unexpected("epoll_create", &error))?;
        let result = runtime.block_on(async { Reader::open(shared, &mut outboxes).await?.run().await });
        // Nothing that the snapshot's thread does waits without a bound. Should it be late, it ends by itself.
        runtime.shutdown_timeout(PATIENCE);
        result
    }));
    let failure = match ended {
        Ok(result) => result.err(),
        Err(_) => Some(Error::shown_by(ErrorCode::SourceFailed, "the reader's thread panicked")),
    };
    // Nothing can fail where nothing is opened.
    let _ = shared.gate.serve(None);
    shared.end();
    // Who had asked to join meanwhile is told the same.
    while let Some(command) = shared.commands.pop() {
        if let Command::Join(outbox) = command {
            outboxes.push(outbox);
        }
    }
    for outbox in outboxes {
        if let Some(error) = &failure {
            outbox.notify(Notice::Failed(error.clone()));
        }
        outbox.notify(Notice::Closed);
    }
}

/// Why the loop goes on.
enum Wake {
    Command(Command),
    Readable,
    Snapshot(Result<Snapshot, Error>),
    Ended(Vec<u32>),
    /// It is time to look whether the kernel still reports.
    Beat,
    /// A resync may be due, or a report that is waited for.
    Due,
}

struct Reader<'a> {
    shared: &'a Shared,
    commands: CommandReceiver<'a>,
    hearing: Hearing<'a, Connector, Host>,
    /// The snapshot that is being taken, if any.
    look: Option<Look>,
    schedule: Schedule,
    pace: Pace,
    beat: Beat,
    /// Why `/proc` is polled although the connector was wished for.
    fallen_back: Option<Error>,
    /// The sum of the outboxes' [`Outbox::follows_revision`]s when they were last asked whom they follow; `None` where
    /// others have been asked.
    follows_revision: Option<u64>,
}

impl<'a> Reader<'a> {
    async fn open(shared: &'a Shared, outboxes: &'a mut Vec<Arc<Outbox>>) -> Result<Self, Error> {
        let commands = shared.commands.receiver().map_err(|error| Error::unexpected("eventfd2", &error))?;
        // Somebody has joined, or this thread would not have been started; a failure to open is theirs to hear.
        if let Ok(Command::Join(outbox)) = commands.recv().await {
            outboxes.push(outbox);
        }
        let options = &shared.options;
        let procfs = Procfs::open(&options.proc_root)?.with(options.max_argv_bytes, &shared.stats);
        let procfs = Arc::new(procfs);
        let interest = wanted(outboxes);
        let (connector, fallen_back) = source::open(options, &procfs, passing(outboxes))?;
        let host =
            Host::new(&procfs, options.hurries).map_err(|error| Error::unexpected("epoll_create", &error))?;
        let mut hearing = Hearing::new(host, outboxes, interest, &shared.stats);
        hearing.asked = Arc::clone(&shared.asked);
        hearing.clock_offset_ns = clock_offset_ns(&options.proc_root);
        let mut reader = Self {
            shared,
            commands,
            hearing,
            look: None,
            schedule: Schedule::of_this_thread(),
            pace: Pace::default(),
            beat: Beat::every(SILENCE).map_err(|error| Error::unexpected("timerfd_create", &error))?,
            fallen_back,
            follows_revision: None,
        };
        reader.adopt(connector)?;
        reader.follow_interest()?;
        reader.hearing.outboxes.iter().for_each(|outbox| reader.welcome(outbox));
        Ok(reader)
    }

    async fn run(mut self) -> Result<(), Error> {
        loop {
            let wake = self.wake().await?;
            match self.answer(wake).and_then(|is_over| Ok(is_over || self.look_if_due()?)) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.code == ErrorCode::SourceFailed => self.reopen(error)?,
                Err(error) => return Err(error),
            }
            self.shared.tracked_processes.store(self.hearing.table.len() as u64, Ordering::Relaxed);
        }
    }

    /// Whether the last subscription has left.
    fn look_if_due(&mut self) -> Result<bool, Error> {
        if !self.hearing.resync.has_reason() {
            return Ok(false);
        }
        let (now, now_ns) = times();
        if self.obey_rest()? {
            return Ok(true);
        }
        if self.hearing.begin_snapshot_if_due(now, now_ns)? {
            let fields = self.hearing.interest.fields;
            let known = self.hearing.table.known(fields);
            self.look = Some(Look::begin(self.hearing.processes.procfs(), fields, known));
        }
        Ok(false)
    }

    /// Whether the last subscription has left.
    fn answer(&mut self, wake: Wake) -> Result<bool, Error> {
        // What was sent by now may be read by what follows: what was asked for by then comes first.
        let (now, now_ns) = times();
        let is_over = match &wake {
            Wake::Command(_) => Ok(false),
            Wake::Snapshot(_) => {
                self.look = None;
                self.obey_rest().inspect_err(|_| self.hearing.resync.abandon())
            }
            _ => self.obey_rest(),
        };
        if is_over? {
            return Ok(true);
        }
        match wake {
            Wake::Command(command) => return self.obey(command),
            Wake::Readable => self.listen()?,
            Wake::Snapshot(snapshot) => self.hearing.settle(snapshot, now, now_ns)?,
            Wake::Ended(pids) => self.hearing.conclude(&pids, now, now_ns)?,
            Wake::Beat => self.check_hearing()?,
            Wake::Due => {
                self.hearing.conclude_expected(now, now_ns)?;
                self.hearing.settle_if_due(now, now_ns)?;
            }
        }
        Ok(false)
    }

    fn listen(&mut self) -> Result<(), Error> {
        // What is captured is gone when the process is, unless others see to that.
        if self.is_relieved()
            && let Some(nap) = self.pace.nap(|| clock_ns(ClockId::Monotonic))
        {
            std::thread::sleep(nap);
        }
        let before = self.shared.stats.events.get();
        self.hearing.drain(TURN)?;
        let count = self.shared.stats.events.get() - before;
        self.pace.read(count as u32, count < TURN as u64, self.hearing.last_ns());
        Ok(())
    }

    async fn wake(&mut self) -> Result<Wake, Error> {
        let expected = self.hearing.expected_until();
        let gathers_on = self.pace.is_sure_of_more() && self.is_relieved();
        let is_behind = self.hearing.is_behind();
        let Hearing { door, processes, resync, .. } = &mut self.hearing;
        let due = resync.due().into_iter().chain(expected).min();
        let deathwatch = processes.deathwatch();
        // Commands are asked for in any case, and that it hears needs no proof: nothing is left to be looked for.
        if gathers_on && door.is_some() && due.is_none() && self.look.is_none() && deathwatch.is_empty() {
            return Ok(Wake::Readable);
        }
        let wake = tokio::select! {
            biased;
            command = self.commands.recv() => command.map(Wake::Command),
            snapshot = finished(self.look.as_mut()) => Ok(Wake::Snapshot(snapshot)),
            ended = deathwatch.ended(), if !deathwatch.is_empty() => ended.map(Wake::Ended),
            () = until(due) => Ok(Wake::Due),
            beat = self.beat.next() => beat.map(|()| Wake::Beat),
            ready = readable(door.as_ref(), is_behind || gathers_on) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| Error::unexpected("epoll_wait", &error))
    }
}

fn times() -> (Instant, u64) {
    (Instant::now(), clock_ns(ClockId::Monotonic))
}

async fn finished(look: Option<&mut Look>) -> Result<Snapshot, Error> {
    match look {
        Some(look) => look.finished().await,
        None => pending().await,
    }
}

async fn readable(connector: Option<&Connector>, is_sure_of_more: bool) -> io::Result<()> {
    match connector {
        // What else there is to answer gets its turn.
        Some(_) if is_sure_of_more => {
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
