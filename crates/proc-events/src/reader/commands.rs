//! What subscriptions ask of the reader's thread, and what follows for the kernel's filter and for the capturing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;
use super::scouts::Scouts;
use crate::error::Error;
use crate::hearing::Hearing;
use crate::interest::{Interest, Kinds};
use crate::monitor::Command;
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::procfs::clock_ns;

impl Reader<'_> {
    /// Answers what has been asked for by now. Whether the last subscription has left.
    pub(super) fn obey_rest(&mut self) -> Result<bool, Error> {
        while let Ok(command) = self.commands.try_recv() {
            if self.obey(command)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the last subscription has left.
    pub(super) fn obey(&mut self, command: Command) -> Result<bool, Error> {
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
                let now = (Instant::now(), clock_ns(ClockId::Monotonic));
                // It reads what was sent by now: what is wanted by now may still wait behind this.
                self.follow_interest()?;
                self.hearing.watch(outbox, id, pid, now)?;
            }
        }
        Ok(false)
    }

    pub(super) fn follow_interest(&mut self) -> Result<(), Error> {
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
    pub(super) fn follow_capture(&mut self) {
        let Hearing { door, interest, processes, clock_offset_ns, .. } = &mut self.hearing;
        let options = &self.shared.options;
        let hurries = options.hurries && door.is_some() && !interest.fields.is_empty();
        let scouts = &mut processes.scouts;
        if !hurries {
            *scouts = None;
        } else if let Some(scouts) = scouts {
            scouts.read(interest.fields);
        } else {
            // Without them it reads for itself, as soon as it can.
            let (procfs, offset_ns) = (Arc::clone(processes.procfs()), *clock_offset_ns);
            processes.scouts = Scouts::start(&procfs, &options.proc_root, offset_ns, interest.fields).ok();
        }
        if hurries {
            self.schedule.hurry();
        } else {
            self.schedule.relax();
        }
        self.is_relieved();
    }

    /// Whether this thread has all the time in the world: nothing is captured, or others see to that.
    pub(super) fn is_relieved(&mut self) -> bool {
        let Hearing { interest, processes, .. } = &self.hearing;
        let scouts = processes.scouts.as_ref().and_then(Scouts::priority);
        let is_relieved = scouts.is_some() || interest.fields.is_empty();
        if interest.fields.is_empty() {
            self.schedule.relax();
        } else if scouts.is_some() {
            self.schedule.calm();
        }
        let priority = scouts.unwrap_or(self.schedule.priority());
        self.shared.priority.store(priority as u64, Ordering::Relaxed);
        is_relieved
    }
}

/// What the kernel is to let through: somebody may have opened the gate for it already.
pub(super) fn passing(outboxes: &[Arc<Outbox>]) -> Kinds {
    outboxes.iter().map(|outbox| outbox.passing()).fold(Kinds::NONE, Kinds::union)
}

pub(super) fn wanted(outboxes: &[Arc<Outbox>]) -> Interest {
    outboxes.iter().map(|outbox| outbox.interest()).fold(Interest::default(), Interest::union)
}
