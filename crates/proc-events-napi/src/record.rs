//! Encodes a notification as a record of 32-bit words. `src/native/record.ts` decodes it. See [`layout`].

mod event;
mod layout;
mod process;
mod text;
mod usage;

use proc_events::{Error, LossReport, Notification, SourceKind, WatchResult};

pub(crate) use layout::HEAD;
use layout::{
    CLOSED, FAILED, FELL_BACK, FLUSHED, HAS_TEXT, LOSS, OPENED, RESTART, SCAN_FINISHED, WATCH_RESULT,
};

/// Returns the length of the record for the subscriber with this number, in words.
pub(crate) fn length(notification: &Notification, subscriber: u32) -> usize {
    HEAD + match notification {
        Notification::Event(event) | Notification::ScanEvent { event, .. } => {
            event::length(event, subscriber)
        }
        Notification::Restart(error)
        | Notification::FellBackToPolling(error)
        | Notification::Failed(error) => text::length(&error_text(error)),
        _ => 0,
    }
}

/// Writes the record into `words`, which is as long as [`length`] returns.
pub(crate) fn write(notification: &Notification, subscriber: u32, words: &mut [u32]) {
    let (head, rest) = words.split_at_mut(HEAD);
    head.fill(0);
    head[1] = (HEAD + rest.len()) as u32;
    match notification {
        Notification::Event(event) => event::write(event, subscriber, head, rest),
        Notification::ScanEvent { event, id } => {
            event::write(event, subscriber, head, rest);
            // The facade dispatches the event only to the subscriptions that requested this scan.
            head[5] = *id;
        }
        Notification::Watched { id, watch } => {
            head[0] = WATCH_RESULT;
            head[5] = *id;
            head[6] = match watch {
                WatchResult::Gone => 0,
                WatchResult::Running => 1,
                WatchResult::Foreign => 3,
                WatchResult::Exited { pid, timestamp_ns, status } => {
                    head[2] = *pid;
                    (head[3], head[4]) = text::halves(*timestamp_ns);
                    if let Some(status) = status {
                        head[0] |= event::write_status(*status, &mut head[7..]) << 16;
                    }
                    2
                }
            };
        }
        Notification::Opened { receive_buffer_size, source } => {
            head[0] = OPENED;
            head[5] = *receive_buffer_size;
            head[6] = match source {
                SourceKind::Netlink => 0,
                SourceKind::Polling => 1,
            };
        }
        Notification::ScanFinished { id } => {
            head[0] = SCAN_FINISHED;
            head[5] = *id;
        }
        Notification::Flushed { id } => {
            head[0] = FLUSHED;
            head[5] = *id;
        }
        Notification::Loss(LossReport { cause, lost, recovered_execs, recovered_exits }) => {
            head[0] = LOSS;
            head[5] = *cause as u32;
            head[6] = u32::try_from(*lost).unwrap_or(u32::MAX);
            head[7] = *recovered_execs;
            head[8] = *recovered_exits;
        }
        Notification::Restart(error) => write_error(RESTART, error, head, rest),
        Notification::Failed(error) => write_error(FAILED, error, head, rest),
        Notification::FellBackToPolling(error) => write_error(FELL_BACK, error, head, rest),
        Notification::Closed => head[0] = CLOSED,
    }
}

fn write_error(kind: u32, error: &Error, head: &mut [u32], rest: &mut [u32]) {
    head[0] = kind | HAS_TEXT << 16;
    head[5] = error.code as u32;
    head[6] = error.raw_errno() as u32;
    text::write(&error_text(error), rest);
}

fn error_text(error: &Error) -> String {
    format!("{}\0{}", error.syscall.unwrap_or_default(), error.context)
}
