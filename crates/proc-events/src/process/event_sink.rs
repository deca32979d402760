//! Where the process table puts its events.

use crate::model::event::ProcessEvent;
use crate::process::ancestry::AncestryTracker;

/// Receives the events of the process table, in their order.
pub trait EventSink {
    /// Adds an event.
    fn push(&mut self, event: ProcessEvent);

    /// Returns the events that are not dispatched yet. A later message may still remove or change one of them.
    fn pending(&mut self) -> &mut Vec<ProcessEvent>;
}

/// Keeps the events as they are.
impl EventSink for Vec<ProcessEvent> {
    fn push(&mut self, event: ProcessEvent) {
        self.push(event);
    }
    fn pending(&mut self) -> &mut Vec<ProcessEvent> {
        self
    }
}

/// Tags each event with the ancestry of its process, as it is at that moment.
#[derive(Debug)]
pub struct TaggingSink<'a> {
    /// The events that are not dispatched yet.
    pub events: &'a mut Vec<ProcessEvent>,
    /// Supplies the tags.
    pub ancestry: &'a AncestryTracker,
}

impl EventSink for TaggingSink<'_> {
    fn push(&mut self, event: ProcessEvent) {
        self.events.push(self.ancestry.tag(event));
    }
    fn pending(&mut self) -> &mut Vec<ProcessEvent> {
        self.events
    }
}
