//! Handles the commands of subscriptions.

use std::sync::Arc;

use super::Reader;
use super::command_queue::Command;
use super::now;
use crate::error::Error;
use crate::model::notification::{Notification, WatchResult};

impl Reader<'_> {
    /// Handles the pending commands, and applies a change of the interest. Returns true if the last subscription has
    /// left.
    pub(super) fn drain_commands(&mut self) -> Result<bool, Error> {
        while let Some(command) = self.commands.try_recv() {
            if self.handle_command(command)? {
                return Ok(true);
            }
        }
        self.apply_interest_if_changed()?;
        Ok(false)
    }

    /// Handles one command. Returns true if the last subscription has left.
    pub(super) fn handle_command(&mut self, command: Command) -> Result<bool, Error> {
        let queues = &mut *self.pipeline.queues;
        match command {
            Command::Join(queue) => {
                queues.push(Arc::clone(&queue));
                self.tags_revision = None;
                let applied = self.apply_interest();
                // Announce the source even on failure: the new subscriber must also receive `Failed`.
                self.announce_source(&queue);
                applied?;
            }
            Command::Leave(queue) => {
                if !queues.iter().any(|joined| Arc::ptr_eq(joined, &queue)) {
                    return Ok(false);
                }
                if queues.len() == 1 {
                    match self.handle.end_if_unused() {
                        Ok(()) => return Ok(true),
                        Err(join) => {
                            queues.clear();
                            queue.notify(Notification::Closed);
                            return self.handle_command(join);
                        }
                    }
                }
                queues.retain(|joined| !Arc::ptr_eq(joined, &queue));
                queue.notify(Notification::Closed);
                self.tags_revision = None;
                self.apply_interest()?;
            }
            Command::InterestChanged => self.apply_interest_if_changed()?,
            Command::Scan(queue, id) => self.pipeline.resync.request_scan(queue, id),
            Command::WatchExit(queue, target) => {
                if !self.pipeline.processes.shows_own_pids() {
                    queue.notify(Notification::Watched { id: target.id, watch: WatchResult::Foreign });
                    return Ok(false);
                }
                let now = now();
                // Watching reads the socket. An interest that was set before must apply to the datagrams that this
                // reads.
                self.apply_interest_if_changed()?;
                self.pipeline.watch_exit(queue, target, now)?;
            }
            Command::Flush(queue, id) => {
                let now = now();
                self.apply_interest_if_changed()?;
                self.pipeline.flush(queue, id, now)?;
            }
        }
        Ok(false)
    }
}
