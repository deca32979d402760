//! Reads the records behind each batch of exits, and adds the costs to the events.

use std::sync::Arc;

use super::matcher::{Coverage, ExitedProcess, UsageMatcher};
use super::source::UsageSource;
use crate::connector::drop_counter::DropCounter;
use crate::model::event::{EventData, ProcessEvent, RunTime};

/// Reads costs, and matches them with exits.
#[derive(Debug)]
pub struct UsageCollector {
    source: Box<dyn UsageSource>,
    matcher: UsageMatcher,
    drops: DropCounter,
    /// True if records or exits were lost since the last read.
    has_lost: bool,
    /// The exits that have a record, unless it is lost. The record of another one may have come before anyone asked.
    asked: Coverage,
}

impl UsageCollector {
    /// Returns a collector for a source that was opened just now.
    #[must_use]
    pub fn new(source: Box<dyn UsageSource>) -> Self {
        let opened_ns = source.now_ns();
        let mut drops = DropCounter::default();
        // Records that were dropped while it was opened are no loss.
        drops.observe(source.drops());
        let (matcher, asked) = (UsageMatcher::new(opened_ns), Coverage::since_opening(opened_ns));
        Self { source, matcher, drops, has_lost: false, asked }
    }

    /// Records that exits were lost, so that the records that wait cannot be matched.
    pub const fn on_loss(&mut self) {
        self.has_lost = true;
    }

    /// Returns true if the records should be read soon.
    pub fn is_half_full(&self) -> bool {
        self.source.is_half_full()
    }

    /// Adds the costs to the exits among `events`, which have been read already. Returns the number of exits whose cost was
    /// lost.
    pub fn attach(&mut self, events: &mut [ProcessEvent]) -> u64 {
        let is_exit = |event: &&mut ProcessEvent| matches!(event.data, EventData::Exit { .. });
        let mut exits = events.iter_mut().filter(is_exit).peekable();
        if exits.peek().is_none() {
            return 0;
        }
        self.receive();
        let mut lost = 0;
        for event in exits {
            let EventData::Exit { status, ran, .. } = event.data else { continue };
            let (pid, exit_ns) = (event.pid, event.timestamp_ns);
            let ran_ns = ran.map_or(exit_ns, |(RunTime::SinceExec(ns) | RunTime::SinceStart(ns))| ns);
            let began_ns = exit_ns.saturating_sub(ran_ns);
            let exited = ExitedProcess { pid, exit_ns, began_ns, status };
            let usage = self.matcher.take(&exited);
            lost += u64::from(usage.is_none() && !self.asked.may_lack(&exited));
            event.usage = usage.map(Arc::new);
        }
        lost
    }

    /// Reads all records that are queued. Those of the exits that were read before are among them.
    fn receive(&mut self) {
        let Self { source, matcher, .. } = self;
        let (mut count, mut has_room) = (0, true);
        matcher.begin_read(source.now_ns());
        let received = source.receive(&mut |record, until_ns| {
            count += 1;
            has_room &= matcher.add(record, until_ns);
        });
        let has_dropped = source.may_have_dropped(count) && self.drops.observe(source.drops()) > 0;
        if has_dropped || self.has_lost || received.is_err() || !has_room {
            self.resynchronize();
        }
    }

    /// Forgets all records, and begins anew.
    fn resynchronize(&mut self) {
        self.has_lost = false;
        let from_ns = self.source.now_ns();
        // All records that are queued later are of exits after `from_ns`.
        let _ = self.source.receive(&mut |_, _| {});
        self.drops.observe(self.source.drops());
        self.matcher.reset(from_ns, self.source.now_ns());
    }
}
