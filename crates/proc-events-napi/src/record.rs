//! Encodes a notification as a record of 32-bit words. `src/native/record.ts` decodes it.
//!
//! | word | content |
//! |--:|---|
//! | 0 | kind (bits 0-7), origin (bits 8-15), flags (bits 16-31) |
//! | 1 | length of the record, in words |
//! | 2 | pid |
//! | 3, 4 | timestamp in nanoseconds on `CLOCK_MONOTONIC`, low word first |
//! | 5..9 | depends on the kind |
//! | 10.. | process details, with [`HAS_PROCESS`]: the mask of requested fields, the mask of read fields, the value of each read field in the order of the bits |
//! | last | ancestry tags, with [`HAS_ANCESTRY_TAGS`]: the ids of the subscriber's tags, then their number |
//!
//! The kind of an event record is its `EventType`. Failure records are [`RESTART`], [`FAILED`] and [`FELL_BACK`]. They
//! carry the values of a [`NativeError`](crate::error::NativeError):
//!
//! | word | content |
//! |--:|---|
//! | 5 | `code` |
//! | 6 | `errno`, 0 if there is none |
//! | 10.. | the text `syscall\0context`, with [`HAS_TEXT`]. `syscall` is empty if no system call failed. |
//!
//! A text is its length in bytes, then its UTF-8 bytes, padded to whole words.

mod event;
mod process;
mod text;

use proc_events::{Error, LossReport, Notification, SourceKind, WatchResult};

/// Length of a record without its variable part, in words.
pub(crate) const HEAD: usize = 10;

// Kinds of records that are not events.
const OPENED: u32 = 32;
const SCAN_FINISHED: u32 = 33;
const LOSS: u32 = 34;
const RESTART: u32 = 35;
const FAILED: u32 = 36;
const CLOSED: u32 = 37;
const FELL_BACK: u32 = 38;
const WATCH_RESULT: u32 = 39;

// Flags.
const HAS_PROCESS: u32 = 1;
/// In a failure record: a text follows the head.
const HAS_TEXT: u32 = 1;
const EXITED: u32 = 2;
const SIGNALED: u32 = 4;
const CORE_DUMPED: u32 = 8;
const HAS_DURATION: u32 = 16;
const ARGV_TRUNCATED: u32 = 32;
const HAS_ANCESTRY_TAGS: u32 = 64;

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
