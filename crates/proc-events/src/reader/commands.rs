//! What subscriptions ask of the reader's thread, and how its kernel filter and its captures follow.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::time::ClockId;
use tokio::time::Instant;

use super::Reader;
use super::command_queue::Command;
use crate::capture::workers::CaptureWorkers;
use crate::delivery::queue::SubscriberQueue;
use crate::error::Error;
use crate::model::interest::{EventTypes, Interest};
use crate::model::notification::Notification;
use crate::model::now::Now;
use crate::pipeline::Pipeline;
use crate::procfs::clock_ns;

impl Reader<'_> {
    /// Answers what has been asked for by now. Whether the last subscription has left.
    pub(super) fn drain_commands(&mut self) -> Result<bool, Error> {
        while let Some(command) = self.commands.try_recv() {
            if self.handle_command(command)? {
                return Ok(true);
            }
        }
        self.apply_interest_if_changed()?;
        Ok(false)
    }

    /// Whether the last subscription has left.
    pub(super) fn handle_command(&mut self, command: Command) -> Result<bool, Error> {
        let queues = &mut *self.pipeline.queues;
        match command {
            Command::Join(queue) => {
                queues.push(Arc::clone(&queue));
                self.tags_revision = None;
                let ancestry = self.apply_interest();
                // In any case: it is one of those who hear what becomes of a failure.
                self.announce_source(&queue);
                ancestry?;
            }
            Command::Leave(queue) => {
                if !queues.iter().any(|known| Arc::ptr_eq(known, &queue)) {
                    return Ok(false);
                }
                if queues.len() == 1 {
                    match self.handle.may_end() {
                        Ok(()) => return Ok(true),
                        Err(next) => {
                            queues.clear();
                            queue.notify(Notification::Closed);
                            return self.handle_command(next);
                        }
                    }
                }
                queues.retain(|known| !Arc::ptr_eq(known, &queue));
                queue.notify(Notification::Closed);
                self.tags_revision = None;
                self.apply_interest()?;
            }
            Command::InterestChanged => self.apply_interest_if_changed()?,
            Command::Scan(queue, id) => self.pipeline.resync.request_scan(queue, id),
            Command::WatchExit(queue, id, pid) => {
                let now = Now { instant: Instant::now(), monotonic_ns: clock_ns(ClockId::Monotonic) };
                // It reads what was sent by now: what is wanted by now may still wait behind this.
                self.apply_interest_if_changed()?;
                self.pipeline.watch_exit(queue, id, pid, now)?;
            }
        }
        Ok(false)
    }

    /// Follows what is wanted, if a change was counted since. The subscriber makes the change, counts it, and then sends
    /// the command. This thread acts on the count, because it may have preempted the subscriber before the command: to
    /// wait for that would be to wait for itself.
    fn apply_interest_if_changed(&mut self) -> Result<(), Error> {
        if self.handle.asked.load(Ordering::Acquire) > self.pipeline.applied_interest_changes {
            self.apply_interest()?;
        }
        Ok(())
    }

    pub(super) fn apply_interest(&mut self) -> Result<(), Error> {
        let pipeline = &mut self.pipeline;
        // The count is read first, because a change that is counted later may not be found below.
        pipeline.applied_interest_changes = self.handle.asked.load(Ordering::Acquire);
        let before = std::mem::replace(&mut pipeline.interest, wanted(pipeline.queues));
        let revision = Some(pipeline.queues.iter().map(|queue| queue.tags_revision()).sum());
        let mut has_new_ancestor = false;
        if std::mem::replace(&mut self.tags_revision, revision) != revision {
            let ancestry_tags: Vec<_> =
                pipeline.queues.iter().flat_map(|queue| queue.ancestry_tags()).collect();
            has_new_ancestor = pipeline.ancestry.set_tags(&ancestry_tags);
        }
        if has_new_ancestor || !before.fields.covers(pipeline.interest.fields) {
            pipeline.resync.request_refresh();
        }
        let ancestry = self.handle.kernel_filter.set(|| kernel_types(pipeline.queues));
        self.apply_capture();
        ancestry
    }

    /// Is in a hurry while details are read, which are gone as soon as the process is.
    pub(super) fn apply_capture(&mut self) {
        let Pipeline { source, interest, processes, .. } = &mut self.pipeline;
        let options = &self.handle.options;
        let raise_priority = options.raise_priority && source.is_some() && !interest.fields.is_empty();
        let workers = &mut processes.workers;
        if !raise_priority {
            *workers = None;
        } else if let Some(workers) = workers {
            workers.set_fields(interest.fields);
        } else {
            // Without them it reads for itself, as soon as it can.
            let procfs = Arc::clone(processes.procfs());
            processes.workers = CaptureWorkers::start(&procfs, &options.proc_root, interest.fields).ok();
        }
        if raise_priority {
            self.scheduling.raise();
        } else {
            self.scheduling.restore();
        }
        self.update_scheduling();
    }

    /// Whether this thread has all the time in the world: nothing is captured, or others see to that.
    pub(super) fn update_scheduling(&mut self) -> bool {
        let Pipeline { interest, processes, .. } = &self.pipeline;
        let workers = processes.workers.as_ref().and_then(CaptureWorkers::priority);
        let update_scheduling = workers.is_some() || interest.fields.is_empty();
        if interest.fields.is_empty() {
            self.scheduling.restore();
        } else if workers.is_some() {
            self.scheduling.lower();
        }
        let priority = workers.unwrap_or(self.scheduling.priority());
        self.handle.priority.store(priority as u64, Ordering::Relaxed);
        update_scheduling
    }
}

/// What the kernel is to let through: somebody may have opened the gate for it already.
pub(super) fn kernel_types(queues: &[Arc<SubscriberQueue>]) -> EventTypes {
    queues.iter().map(|queue| queue.kernel_types()).fold(EventTypes::NONE, EventTypes::union)
}

pub(super) fn wanted(queues: &[Arc<SubscriberQueue>]) -> Interest {
    queues.iter().map(|queue| queue.interest()).fold(Interest::default(), Interest::union)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::filter::FilterRule;
    use crate::model::interest::{EventType, Field, Fields};
    use crate::model::source_kind::SourceKind;
    use crate::options::Options;
    use crate::reader::handle::ReaderHandle;

    /// Has `test` drive a reader with the real `/proc`, polled, that one subscriber has joined.
    fn with_reader(test: impl FnOnce(&mut Reader<'_>, &Arc<SubscriberQueue>)) {
        let options = Options { source: SourceKind::Polling, ..Options::default() };
        let handle = ReaderHandle::new(options);
        let queue = Arc::new(SubscriberQueue::new(1, Interest::default(), Box::new(|| {})));
        handle.commands.send(Command::Join(Arc::clone(&queue)));
        let mut queues = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an epoll instance can be had").block_on(async {
            let reader = Reader::open(&handle, &mut queues).await;
            test(&mut reader.expect("/proc can be read"), &queue);
        });
    }

    /// The reader's thread may preempt the subscriber's there, so it must not need the subscriber's next step.
    #[test]
    fn a_change_that_is_counted_is_followed_before_the_command_arrives() {
        with_reader(|reader, queue| {
            let rule = FilterRule { types: EventTypes::of(EventType::Comm), ..FilterRule::default() };
            assert!(queue.add_rule(&rule));
            reader.handle.asked.fetch_add(1, Ordering::AcqRel);
            assert!(reader.commands.try_recv().is_none());
            assert!(!reader.drain_commands().expect("nothing fails"));
            assert_eq!(
                reader.pipeline.applied_interest_changes,
                reader.handle.asked.load(Ordering::Acquire),
                "it would not read"
            );
            assert!(reader.pipeline.interest.types.has(EventType::Comm));
        });
    }

    #[test]
    fn changes_that_have_piled_up_are_followed_as_one() {
        with_reader(|reader, queue| {
            for fields in [Fields::NONE.with(Field::Name), Fields::NONE.with(Field::Exe)] {
                assert!(queue.add_rule(&FilterRule { fields, ..FilterRule::default() }));
                reader.handle.asked.fetch_add(1, Ordering::AcqRel);
                reader.handle.commands.send(Command::InterestChanged);
            }
            let first = reader.commands.try_recv().expect("two were sent");
            assert!(!reader.handle_command(first).expect("nothing fails"));
            assert!(reader.pipeline.interest.fields.covers(Fields::NONE.with(Field::Name).with(Field::Exe)));
            // Following it again would overwrite this.
            reader.pipeline.interest = Interest::default();
            assert!(!reader.drain_commands().expect("nothing fails"));
            assert_eq!(reader.pipeline.interest, Interest::default());
        });
    }
}
