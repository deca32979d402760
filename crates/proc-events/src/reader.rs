//! The one thread that connects the rooms: it reads the socket, keeps the table, and fills the outboxes.

mod hear;
mod source;

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::deathwatch::Deathwatch;
use crate::error::{Error, ErrorCode};
use crate::event::ProcessEvent;
use crate::interest::Interest;
use crate::liveness::Liveness;
use crate::loss::DropCounter;
use crate::monitor::{Command, Shared};
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::procfs::{self, Procfs, Snapshot};
use crate::resync::Resync;
use crate::socket::Connector;
use crate::table::ProcessTable;

/// Datagrams read before the loop looks at anything else.
const TURN: usize = 4096;

pub(crate) use source::THREAD_NAME;

/// The thread's body.
pub(crate) fn run(shared: &Shared, mut commands: UnboundedReceiver<Command>) {
    let mut outboxes = Vec::new();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // Snapshots are taken on the one thread beside this one, which ends with them.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .build()
            .map_err(|error| unexpected("epoll_create", &error))?;
        runtime.block_on(async { Reader::open(shared, &mut commands, &mut outboxes).await?.run().await })
    }));
    let failure = match ended {
        Ok(result) => result.err(),
        Err(_) => Some(Error::shown_by(ErrorCode::SourceFailed, "the reader's thread panicked")),
    };
    shared.end();
    // Who had asked to join meanwhile is told the same.
    while let Ok(command) = commands.try_recv() {
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
    /// A resync, or a look at whether the kernel still reports, may be due.
    Due,
}

struct Reader<'a> {
    shared: &'a Shared,
    commands: &'a mut UnboundedReceiver<Command>,
    outboxes: &'a mut Vec<Arc<Outbox>>,
    interest: Interest,
    /// None while `/proc` is polled.
    connector: Option<Connector>,
    /// Why it is polled although the connector was wished for.
    fallen_back: Option<Error>,
    drops: DropCounter,
    liveness: Liveness,
    procfs: procfs::Reader,
    table: ProcessTable,
    deathwatch: Deathwatch,
    resync: Resync,
    /// What is to be handed on at the end of the batch; kept for its capacity.
    events: Vec<ProcessEvent>,
}

impl<'a> Reader<'a> {
    async fn open(
        shared: &'a Shared,
        commands: &'a mut UnboundedReceiver<Command>,
        outboxes: &'a mut Vec<Arc<Outbox>>,
    ) -> Result<Self, Error> {
        // Somebody has joined, or this thread would not have been started; a failure to open is theirs to hear.
        if let Some(Command::Join(outbox)) = commands.recv().await {
            outboxes.push(outbox);
        }
        let options = &shared.options;
        let procfs = Arc::new(Procfs::open(&options.proc_root)?);
        let interest = wanted(outboxes);
        let (connector, fallen_back) = source::open(options, &procfs, interest.kinds)?;
        let mut reader = Self {
            connector: None,
            fallen_back,
            drops: DropCounter::default(),
            liveness: Liveness::new(),
            deathwatch: Deathwatch::new().map_err(|error| unexpected("epoll_create", &error))?,
            resync: Resync::new(Arc::clone(&procfs)),
            procfs: procfs.reader(),
            table: ProcessTable::default(),
            events: Vec::with_capacity(hear::BATCH),
            shared,
            commands,
            outboxes,
            interest,
        };
        reader.adopt(connector);
        reader.outboxes.iter().for_each(|outbox| reader.welcome(outbox));
        Ok(reader)
    }

    async fn run(mut self) -> Result<(), Error> {
        loop {
            let wake = self.wake().await?;
            match self.answer(wake) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.code == ErrorCode::SourceFailed => self.reopen(error)?,
                Err(error) => return Err(error),
            }
            self.resync.begin_if_due(&mut self.table, self.interest.fields);
            self.shared.tracked_processes.store(self.table.len() as u64, Ordering::Relaxed);
        }
    }

    /// Whether the last subscription has left.
    fn answer(&mut self, wake: Wake) -> Result<bool, Error> {
        match wake {
            Wake::Command(command) => return self.obey(command),
            Wake::Readable => self.drain(TURN)?,
            Wake::Snapshot(snapshot) => self.settle(snapshot)?,
            Wake::Ended(pids) => self.conclude(&pids)?,
            Wake::Due if self.liveness.due() <= Instant::now() => self.check_hearing()?,
            Wake::Due => {}
        }
        Ok(false)
    }

    async fn wake(&mut self) -> Result<Wake, Error> {
        let Self { commands, connector, deathwatch, resync, liveness, .. } = self;
        let look_at = connector.as_ref().map(|_| liveness.due());
        let due = resync.due().into_iter().chain(look_at).min();
        let wake = tokio::select! {
            biased;
            command = commands.recv() => command.map(Wake::Command).ok_or(io::ErrorKind::BrokenPipe.into()),
            snapshot = resync.finished() => Ok(Wake::Snapshot(snapshot)),
            ended = deathwatch.ended(), if !deathwatch.is_empty() => ended.map(Wake::Ended),
            () = until(due) => Ok(Wake::Due),
            ready = readable(connector.as_ref()) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| unexpected("epoll_wait", &error))
    }

    /// Whether the last subscription has left.
    fn obey(&mut self, command: Command) -> Result<bool, Error> {
        match command {
            Command::Join(outbox) => {
                self.outboxes.push(Arc::clone(&outbox));
                self.follow_interest()?;
                self.welcome(&outbox);
            }
            Command::Leave(outbox) => {
                if !self.outboxes.iter().any(|known| Arc::ptr_eq(known, &outbox)) {
                    return Ok(false);
                }
                if self.outboxes.len() == 1 {
                    match self.shared.may_end(self.commands) {
                        Ok(()) => return Ok(true),
                        Err(next) => {
                            self.outboxes.clear();
                            outbox.notify(Notice::Closed);
                            return self.obey(next);
                        }
                    }
                }
                self.outboxes.retain(|known| !Arc::ptr_eq(known, &outbox));
                outbox.notify(Notice::Closed);
                self.follow_interest()?;
            }
            Command::InterestChanged => self.follow_interest()?,
            Command::Scan(outbox, id) => self.resync.ask(outbox, id),
        }
        Ok(false)
    }

    fn follow_interest(&mut self) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.interest, wanted(self.outboxes));
        if let Some(connector) = self.connector.as_ref().filter(|_| self.interest.kinds != before.kinds) {
            connector.set_filter(self.interest.kinds)?;
        }
        if !before.fields.covers(self.interest.fields) {
            self.resync.want();
        }
        Ok(())
    }

    fn settle(&mut self, snapshot: Result<Snapshot, Error>) -> Result<(), Error> {
        // What the kernel had reported before the snapshot was complete has to be in the table.
        self.drain(usize::MAX)?;
        self.resync.settle(snapshot, &mut self.table, self.outboxes, &self.shared.stats)
    }
}

async fn readable(connector: Option<&Connector>) -> io::Result<()> {
    match connector {
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

fn wanted(outboxes: &[Arc<Outbox>]) -> Interest {
    outboxes.iter().map(|outbox| outbox.interest()).fold(Interest::default(), Interest::union)
}

fn unexpected(syscall: &'static str, error: &io::Error) -> Error {
    Error { code: ErrorCode::SourceFailed, syscall, errno: Errno::from_io_error(error) }
}
