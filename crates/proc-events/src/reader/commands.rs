//! What subscriptions ask of the reader's thread, and what follows for the kernel's filter and for the capturing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::scouts::Scouts;
use super::{Command, Reader};
use crate::error::Error;
use crate::hearing::Hearing;
use crate::interest::{Interest, Kinds};
use crate::notice::Notice;
use crate::outbox::Outbox;
use crate::procfs::clock_ns;

impl Reader<'_> {
    /// Answers what has been asked for by now. Whether the last subscription has left.
    pub(super) fn obey_rest(&mut self) -> Result<bool, Error> {
        while let Some(command) = self.commands.try_recv() {
            if self.obey(command)? {
                return Ok(true);
            }
        }
        self.follow_if_asked()?;
        Ok(false)
    }

    /// Whether the last subscription has left.
    pub(super) fn obey(&mut self, command: Command) -> Result<bool, Error> {
        let outboxes = &mut *self.hearing.outboxes;
        match command {
            Command::Join(outbox) => {
                outboxes.push(Arc::clone(&outbox));
                self.follows_revision = None;
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
                    match self.shared.may_end() {
                        Ok(()) => return Ok(true),
                        Err(next) => {
                            outboxes.clear();
                            outbox.notify(Notice::Closed);
                            return self.obey(next);
                        }
                    }
                }
                outboxes.retain(|known| !Arc::ptr_eq(known, &outbox));
                outbox.notify(Notice::Closed);
                self.follows_revision = None;
                self.follow_interest()?;
            }
            Command::InterestChanged => self.follow_if_asked()?,
            Command::Scan(outbox, id) => self.hearing.resync.ask(outbox, id),
            Command::Watch(outbox, id, pid) => {
                let now = (Instant::now(), clock_ns(ClockId::Monotonic));
                // It reads what was sent by now: what is wanted by now may still wait behind this.
                self.follow_if_asked()?;
                self.hearing.watch(outbox, id, pid, now)?;
            }
        }
        Ok(false)
    }

    /// Follows what is wanted, if a change was counted since. The subscriber makes the change, counts it, and then sends
    /// the command. This thread acts on the count, because it may have preempted the subscriber before the command: to
    /// wait for that would be to wait for itself.
    fn follow_if_asked(&mut self) -> Result<(), Error> {
        if self.shared.asked.load(Ordering::Acquire) > self.hearing.answered {
            self.follow_interest()?;
        }
        Ok(())
    }

    pub(super) fn follow_interest(&mut self) -> Result<(), Error> {
        let hearing = &mut self.hearing;
        // The count is read first, because a change that is counted later may not be found below.
        hearing.answered = self.shared.asked.load(Ordering::Acquire);
        let before = std::mem::replace(&mut hearing.interest, wanted(hearing.outboxes));
        let revision = Some(hearing.outboxes.iter().map(|outbox| outbox.follows_revision()).sum());
        let mut has_new_ancestor = false;
        if std::mem::replace(&mut self.follows_revision, revision) != revision {
            let follows: Vec<_> = hearing.outboxes.iter().flat_map(|outbox| outbox.follows()).collect();
            has_new_ancestor = hearing.descent.follow(&follows);
        }
        if has_new_ancestor || !before.fields.covers(hearing.interest.fields) {
            hearing.resync.want();
        }
        let followed = self.shared.gate.follow(|| passing(hearing.outboxes));
        self.follow_capture();
        followed
    }

    /// Is in a hurry while details are read, which are gone as soon as the process is.
    pub(super) fn follow_capture(&mut self) {
        let Hearing { door, interest, processes, .. } = &mut self.hearing;
        let options = &self.shared.options;
        let hurries = options.hurries && door.is_some() && !interest.fields.is_empty();
        let scouts = &mut processes.scouts;
        if !hurries {
            *scouts = None;
        } else if let Some(scouts) = scouts {
            scouts.read(interest.fields);
        } else {
            // Without them it reads for itself, as soon as it can.
            let procfs = Arc::clone(processes.procfs());
            processes.scouts = Scouts::start(&procfs, &options.proc_root, interest.fields).ok();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::{EventType, Field, Fields};
    use crate::monitor::{Options, Shared, SourceKind};
    use crate::sieve::Wish;

    /// Has `test` drive a reader with the real `/proc`, polled, that one subscriber has joined.
    fn with_reader(test: impl FnOnce(&mut Reader<'_>, &Arc<Outbox>)) {
        let options = Options { source: SourceKind::Polling, ..Options::default() };
        let shared = Shared::new(options);
        let outbox = Arc::new(Outbox::new(1, Interest::default(), Box::new(|| {})));
        shared.commands.send(Command::Join(Arc::clone(&outbox)));
        let mut outboxes = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let reader = Reader::open(&shared, &mut outboxes).await;
            test(&mut reader.expect("/proc can be read"), &outbox);
        });
    }

    /// The reader's thread may preempt the subscriber's there, so it must not need the subscriber's next step.
    #[test]
    fn a_change_that_is_counted_is_followed_before_the_command_arrives() {
        with_reader(|reader, outbox| {
            let rule = Wish { kinds: Kinds::of(EventType::Comm), ..Wish::default() };
            assert!(outbox.add_rule(&rule));
            reader.shared.asked.fetch_add(1, Ordering::AcqRel);
            assert!(reader.commands.try_recv().is_none());
            assert!(!reader.obey_rest().expect("nothing fails"));
            assert_eq!(
                reader.hearing.answered,
                reader.shared.asked.load(Ordering::Acquire),
                "it would not read"
            );
            assert!(reader.hearing.interest.kinds.has(EventType::Comm));
        });
    }

    #[test]
    fn changes_that_have_piled_up_are_followed_as_one() {
        with_reader(|reader, outbox| {
            for fields in [Fields::NONE.with(Field::Name), Fields::NONE.with(Field::Exe)] {
                assert!(outbox.add_rule(&Wish { fields, ..Wish::default() }));
                reader.shared.asked.fetch_add(1, Ordering::AcqRel);
                reader.shared.commands.send(Command::InterestChanged);
            }
            let first = reader.commands.try_recv().expect("two were sent");
            assert!(!reader.obey(first).expect("nothing fails"));
            assert!(reader.hearing.interest.fields.covers(Fields::NONE.with(Field::Name).with(Field::Exe)));
            // Following it again would overwrite this.
            reader.hearing.interest = Interest::default();
            assert!(!reader.obey_rest().expect("nothing fails"));
            assert_eq!(reader.hearing.interest, Interest::default());
        });
    }
}
