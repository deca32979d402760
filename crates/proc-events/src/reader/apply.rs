//! Applies the interest of all subscriptions to the pipeline, the kernel filter, the captures and the scheduling.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Reader;
use super::interest::{combined_interest, kernel_types, max_latency, wants_usage};
use crate::capture::workers::CaptureWorkers;
use crate::error::{Error, ErrorCode};
use crate::model::interest::{EventType, EventTypes};
use crate::pipeline::{Pipeline, RENAMES_MAX};
use crate::taskstats::TaskstatsSocket;
use crate::taskstats::collector::UsageCollector;

impl Reader<'_> {
    /// Applies the interest if a subscriber has changed it.
    ///
    /// A subscriber changes its rules, increments `interest_changes`, and then sends the command. The reader checks the
    /// counter, because it may have preempted the subscriber before the command. Waiting for the command would then be
    /// a deadlock.
    pub(super) fn apply_interest_if_changed(&mut self) -> Result<(), Error> {
        if self.handle.interest_changes.load(Ordering::Acquire) > self.pipeline.applied_interest_changes {
            self.apply_interest()?;
        }
        Ok(())
    }

    /// Applies the interest of all subscriptions. Requests a snapshot if running processes need new fields or ancestry
    /// tags.
    pub(super) fn apply_interest(&mut self) -> Result<(), Error> {
        let pipeline = &mut self.pipeline;
        // Read the counter first, because the rules below may lack a change that is counted later.
        pipeline.applied_interest_changes = self.handle.interest_changes.load(Ordering::Acquire);
        let before = std::mem::replace(&mut pipeline.interest, combined_interest(pipeline.queues));
        self.coalescer.set_max_latency(max_latency(pipeline.queues));
        let revision = Some(pipeline.queues.iter().map(|queue| queue.tags_revision()).sum());
        let mut has_new_ancestor = false;
        if std::mem::replace(&mut self.tags_revision, revision) != revision {
            let ancestry_tags: Vec<_> =
                pipeline.queues.iter().flat_map(|queue| queue.ancestry_tags()).collect();
            has_new_ancestor = pipeline.ancestry.set_tags(&ancestry_tags);
        }
        // A comm that was captured before may be outdated, because renames are reported only while the interest has it.
        // Every snapshot shows the present one.
        if has_new_ancestor || !before.fields.covers(pipeline.interest.fields) {
            pipeline.resync.request_refresh();
        }
        if let Some(cursor) = &self.cursor {
            cursor.set_fields(pipeline.interest.fields);
            self.apply_renames();
        }
        let result = self.handle.kernel_filter.set(|| self.kernel_types());
        self.apply_capture();
        self.apply_usage();
        result
    }

    /// Begins or ends to read the costs of processes. If they cannot be read, they stay unknown until no subscriber asks for
    /// them, or until the source is reopened. What may work later is tried again with the next self-test.
    pub(super) fn apply_usage(&mut self) {
        let pipeline = &mut self.pipeline;
        if pipeline.source.is_none() || !wants_usage(pipeline.queues) {
            pipeline.usage = None;
            self.has_usage_failed = false;
        } else if pipeline.usage.is_none() && !self.has_usage_failed {
            let options = &self.handle.options;
            let socket = TaskstatsSocket::open(&options.proc_root, options.receive_buffer_size);
            let lasts = |error: &Error| error.code != ErrorCode::SourceFailed;
            self.has_usage_failed = socket.as_ref().is_err_and(lasts);
            pipeline.usage = socket.ok().map(|socket| Box::new(UsageCollector::new(Box::new(socket))));
        }
    }

    /// Returns the event types that the kernel filter must pass now.
    pub(super) fn kernel_types(&self) -> EventTypes {
        let types = kernel_types(self.pipeline.queues);
        if self.rename_pause.until.is_some() { types.without(EventTypes::RENAMES) } else { types }
    }

    /// Stops following renames if the last read had too many.
    pub(super) fn pause_renames_if_many(&mut self) -> Result<(), Error> {
        let is_subscribed = self.pipeline.interest.types.has(EventType::Comm);
        let are_many = self.pipeline.take_renames() > RENAMES_MAX;
        if are_many && !is_subscribed && self.rename_pause.until.is_none() {
            self.rename_pause.begin(Instant::now());
            self.handle.kernel_filter.set(|| self.kernel_types())?;
        }
        Ok(())
    }

    /// Follows renames again, and requests a snapshot that shows what was missed.
    pub(super) fn resume_renames_if_due(&mut self, now: Instant) -> Result<(), Error> {
        if self.rename_pause.end_if_due(now) {
            self.handle.kernel_filter.set(|| self.kernel_types())?;
            self.pipeline.resync.request_refresh();
        }
        Ok(())
    }

    /// Starts or stops the capture workers, and raises or restores the priority of this thread. Captures are urgent,
    /// because `/proc/PID` disappears with the process.
    pub(super) fn apply_capture(&mut self) {
        let Pipeline { source, interest, processes, .. } = &mut self.pipeline;
        let options = &self.handle.options;
        let is_urgent = options.raise_priority && source.is_some() && !interest.fields.is_empty();
        let workers = &mut processes.workers;
        if !is_urgent {
            *workers = None;
        } else if let Some(workers) = workers {
            workers.set_fields(interest.fields);
        } else {
            // Without workers this thread captures the details itself, at its raised priority.
            let procfs = Arc::clone(processes.procfs());
            processes.workers = CaptureWorkers::start(&procfs, &options.proc_root, interest.fields).ok();
        }
        if is_urgent {
            self.scheduling.raise();
        } else if options.raise_priority && self.cursor.is_some() {
            // Its reports are late already.
            self.scheduling.restore();
            self.scheduling.shorten();
        } else {
            self.scheduling.restore();
        }
        self.update_scheduling();
    }

    /// Starts capture workers on CPUs that have come online.
    pub(super) fn capture_on_new_cpus(&mut self) {
        if let Some(workers) = &mut self.pipeline.processes.workers {
            workers.start_on_new_cpus();
            self.update_scheduling();
        }
    }

    /// Updates the thread's scheduling. Returns true if the reader may delay reads, that is, if it captures nothing or
    /// the capture workers do.
    pub(super) fn update_scheduling(&mut self) -> bool {
        let Pipeline { interest, processes, .. } = &self.pipeline;
        let workers = processes.workers.as_ref().and_then(CaptureWorkers::priority);
        let may_delay = workers.is_some() || interest.fields.is_empty();
        if interest.fields.is_empty() && self.cursor.is_none() {
            self.scheduling.restore();
        } else if workers.is_some() {
            self.scheduling.lower();
        } else {
            // A CPU has come online, or a worker has stopped: this thread captures what happens there.
            self.scheduling.undo_lower();
        }
        let priority = workers.unwrap_or(self.scheduling.priority());
        self.handle.priority.store(priority as u64, Ordering::Relaxed);
        may_delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::filter::FilterRule;
    use crate::delivery::queue::SubscriberQueue;
    use crate::model::interest::{Field, Fields, Interest};
    use crate::model::source_kind::SourceKind;
    use crate::options::Options;
    use crate::reader::command_queue::Command;
    use crate::reader::handle::ReaderHandle;

    /// Calls `test` with a reader that polls the real `/proc`, and with the queue of its one subscriber.
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

    /// The reader thread may preempt the subscriber between the two steps, so it must not depend on the command.
    #[test]
    fn counted_change_is_applied_before_its_command_arrives() {
        with_reader(|reader, queue| {
            let rule = FilterRule { types: EventTypes::of(EventType::Comm), ..FilterRule::default() };
            assert!(queue.add_rule(&rule));
            reader.handle.interest_changes.fetch_add(1, Ordering::AcqRel);
            assert!(reader.commands.try_recv().is_none());
            assert!(!reader.drain_commands().expect("nothing fails"));
            assert_eq!(
                reader.pipeline.applied_interest_changes,
                reader.handle.interest_changes.load(Ordering::Acquire),
                "otherwise the pipeline would not read"
            );
            assert!(reader.pipeline.interest.types.has(EventType::Comm));
        });
    }

    #[test]
    fn pending_changes_are_applied_at_once() {
        with_reader(|reader, queue| {
            for fields in [Fields::NONE.with(Field::Name), Fields::NONE.with(Field::Exe)] {
                assert!(queue.add_rule(&FilterRule { fields, ..FilterRule::default() }));
                reader.handle.interest_changes.fetch_add(1, Ordering::AcqRel);
                reader.handle.commands.send(Command::InterestChanged);
            }
            let first = reader.commands.try_recv().expect("two were sent");
            assert!(!reader.handle_command(first).expect("nothing fails"));
            assert!(reader.pipeline.interest.fields.covers(Fields::NONE.with(Field::Name).with(Field::Exe)));
            // Applying the interest again would overwrite this.
            reader.pipeline.interest = Interest::default();
            assert!(!reader.drain_commands().expect("nothing fails"));
            assert_eq!(reader.pipeline.interest, Interest::default());
        });
    }
}
