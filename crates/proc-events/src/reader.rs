//! The one thread that connects the rooms: it reads the socket, keeps the table, and fills the outboxes.

mod host;
mod look;
mod pace;
mod source;

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::time::ClockId;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorCode};
use crate::hearing::Hearing;
use crate::interest::{Interest, Kinds};
use crate::monitor::{Command, Shared};
use crate::namespace::clock_offset_ns;
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::priority::Schedule;
use crate::procfs::{Procfs, Snapshot, clock_ns};
use crate::socket::Connector;
use host::Host;
use look::Look;
use pace::Pace;

/// Datagrams read before the loop looks at anything else.
const TURN: usize = 1024;

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
            .map_err(|error| Error::unexpected("epoll_create", &error))?;
        runtime.block_on(async { Reader::open(shared, &mut commands, &mut outboxes).await?.run().await })
    }));
    let failure = match ended {
        Ok(result) => result.err(),
        Err(_) => Some(Error::shown_by(ErrorCode::SourceFailed, "the reader's thread panicked")),
    };
    // Nothing can fail where nothing is opened.
    let _ = shared.gate.serve(None);
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
    hearing: Hearing<'a, Connector, Host>,
    /// The snapshot that is being taken, if any.
    look: Option<Look>,
    schedule: Schedule,
    pace: Pace,
    /// Why `/proc` is polled although the connector was wished for.
    fallen_back: Option<Error>,
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
        let (connector, fallen_back) = source::open(options, &procfs, passing(outboxes))?;
        let host = Host::new(&procfs).map_err(|error| Error::unexpected("epoll_create", &error))?;
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
            fallen_back,
        };
        reader.adopt(connector)?;
        reader.follow_interest()?;
        reader.hearing.outboxes.iter().for_each(|outbox| reader.welcome(outbox));
        Ok(reader)
    }

    async fn run(mut self) -> Result<(), Error> {
        loop {
            let wake = self.wake().await?;
            match self.answer(wake).and_then(|is_over| self.look_if_due().map(|()| is_over)) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.code == ErrorCode::SourceFailed => self.reopen(error)?,
                Err(error) => return Err(error),
            }
            self.shared.tracked_processes.store(self.hearing.table.len() as u64, Ordering::Relaxed);
        }
    }

    fn look_if_due(&mut self) -> Result<(), Error> {
        if self.hearing.begin_snapshot_if_due(Instant::now(), clock_ns(ClockId::Monotonic))? {
            let fields = self.hearing.interest.fields;
            self.look = Some(Look::begin(self.hearing.processes.procfs(), fields));
        }
        Ok(())
    }

    /// Whether the last subscription has left.
    fn answer(&mut self, wake: Wake) -> Result<bool, Error> {
        let now_ns = || clock_ns(ClockId::Monotonic);
        match wake {
            Wake::Command(command) => return self.obey(command),
            Wake::Readable => self.listen()?,
            Wake::Snapshot(snapshot) => {
                self.look = None;
                self.hearing.settle(snapshot, Instant::now(), now_ns())?;
            }
            Wake::Ended(pids) => self.hearing.conclude(&pids, Instant::now(), now_ns())?,
            Wake::Due if self.hearing.liveness.due() <= Instant::now() => self.check_hearing()?,
            Wake::Due => {
                self.hearing.conclude_expected(Instant::now(), now_ns())?;
                self.hearing.settle_if_due(Instant::now(), now_ns())?;
            }
        }
        Ok(false)
    }

    fn listen(&mut self) -> Result<(), Error> {
        // What is captured is gone when the process is. Nothing else on this thread is in a hurry.
        if self.hearing.interest.fields.is_empty()
            && let Some(nap) = self.pace.nap(Instant::now())
        {
            std::thread::sleep(nap);
        }
        let before = self.shared.stats.events.get();
        self.hearing.drain(TURN)?;
        let count = self.shared.stats.events.get() - before;
        self.pace.read(count as u32, count < TURN as u64, Instant::now());
        Ok(())
    }

    async fn wake(&mut self) -> Result<Wake, Error> {
        let expected = self.hearing.expected_until();
        let Hearing { door, processes, resync, liveness, .. } = &mut self.hearing;
        let look_at = door.as_ref().map(|_| liveness.due());
        let due = resync.due().into_iter().chain(look_at).chain(expected).min();
        let deathwatch = processes.deathwatch();
        let wake = tokio::select! {
            biased;
            command = self.commands.recv() => command.map(Wake::Command).ok_or(io::ErrorKind::BrokenPipe.into()),
            snapshot = finished(self.look.as_mut()) => Ok(Wake::Snapshot(snapshot)),
            ended = deathwatch.ended(), if !deathwatch.is_empty() => ended.map(Wake::Ended),
            () = until(due) => Ok(Wake::Due),
            ready = readable(door.as_ref()) => ready.map(|()| Wake::Readable),
        };
        wake.map_err(|error| Error::unexpected("epoll_wait", &error))
    }

    /// Whether the last subscription has left.
    fn obey(&mut self, command: Command) -> Result<bool, Error> {
        let outboxes = &mut *self.hearing.outboxes;
        match command {
            Command::Join(outbox) => {
                outboxes.push(Arc::clone(&outbox));
                let followed = self.follow_interest();
                // In any case: it is one of those who hear what becomes of a failure.
                self.welcome(&outbox);
                followed?;
            }
            Command::Leave(outbox) => {
                if !outboxes.iter().any(|known| Arc::ptr_eq(known, &outbox)) {
                    return Ok(false);
                }
                if outboxes.len() == 1 {
                    match self.shared.may_end(self.commands) {
                        Ok(()) => return Ok(true),
                        Err(next) => {
                            // What had been asked for went with who had asked.
                            self.hearing.answered = self.shared.asked.load(Ordering::Acquire);
                            outboxes.clear();
                            outbox.notify(Notice::Closed);
                            return self.obey(next);
                        }
                    }
                }
                outboxes.retain(|known| !Arc::ptr_eq(known, &outbox));
                outbox.notify(Notice::Closed);
                self.follow_interest()?;
            }
            Command::InterestChanged(asked) => {
                self.hearing.answered = asked.max(self.hearing.answered);
                self.follow_interest()?;
            }
            Command::Scan(outbox, id) => self.hearing.resync.ask(outbox, id),
            Command::Watch(outbox, id, pid) => {
                self.hearing.watch(outbox, id, pid, (Instant::now(), clock_ns(ClockId::Monotonic)))?;
            }
        }
        Ok(false)
    }

    fn follow_interest(&mut self) -> Result<(), Error> {
        let hearing = &mut self.hearing;
        let before = std::mem::replace(&mut hearing.interest, wanted(hearing.outboxes));
        let follows: Vec<_> = hearing.outboxes.iter().flat_map(|outbox| outbox.follows()).collect();
        if hearing.descent.follow(&follows) || !before.fields.covers(hearing.interest.fields) {
            hearing.resync.want();
        }
        let followed = self.shared.gate.follow(|| passing(hearing.outboxes));
        self.follow_capture();
        followed
    }

    /// Is in a hurry while details are read, which are gone as soon as the process is.
    fn follow_capture(&mut self) {
        let captures = self.hearing.door.is_some() && !self.hearing.interest.fields.is_empty();
        if captures && self.shared.options.hurries {
            self.schedule.hurry();
        } else {
            self.schedule.relax();
        }
        self.shared.priority.store(self.schedule.priority() as u64, Ordering::Relaxed);
    }
}

async fn finished(look: Option<&mut Look>) -> Result<Snapshot, Error> {
    match look {
        Some(look) => look.finished().await,
        None => pending().await,
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

/// What the kernel is to let through: somebody may have opened the gate for it already.
fn passing(outboxes: &[Arc<Outbox>]) -> Kinds {
    outboxes.iter().map(|outbox| outbox.passing()).fold(Kinds::NONE, Kinds::union)
}

fn wanted(outboxes: &[Arc<Outbox>]) -> Interest {
    outboxes.iter().map(|outbox| outbox.interest()).fold(Interest::default(), Interest::union)
}
