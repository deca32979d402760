//! What a subscriber receives: events, and what it has to know about them. Inert values.

use crate::error::Error;
use crate::model::event::{ExitStatus, ProcessEvent};
use crate::model::source_kind::SourceKind;

/// What a subscriber receives.
#[derive(Clone, Debug)]
pub enum Notification {
    /// A process event.
    Event(ProcessEvent),
    /// The source is open, and acknowledged by the kernel.
    Opened {
        /// The bytes of the socket's receive buffer; 0 where there is none.
        receive_buffer_size: u32,
        /// What kind of source it is.
        source: SourceKind,
    },
    /// A process that a scan has found running.
    ScanEvent {
        /// An exec of [`crate::Origin::Bootstrap`].
        event: ProcessEvent,
        /// The number given to the request.
        id: u32,
    },
    /// Every process that was running has been reported.
    ScanFinished {
        /// The number given to the request.
        id: u32,
    },
    /// Whether a process is running whose end was asked for.
    Watched {
        /// The number given to the request.
        id: u32,
        /// Whether it is.
        watch: WatchResult,
    },
    /// Events were lost, and the rest was made right.
    Loss(LossReport),
    /// The source failed and was opened anew.
    Restart(Error),
    /// The process connector cannot be had, for this reason: `/proc` is polled instead.
    FellBackToPolling(Error),
    /// The source could not be opened, or has failed for good.
    Failed(Error),
    /// The last notice of all.
    Closed,
}

/// What becomes of a wait for the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchResult {
    /// It is running: the next exit of its pid is its end.
    Running,
    /// It is gone: the last exit of its pid was its end, if there was one since the request.
    Gone,
    /// It has just ended, or was not collected by its parent. Its exit may have been told before the request.
    Exited {
        /// Which process.
        pid: u32,
        /// When this was found: nanoseconds on `CLOCK_MONOTONIC`.
        timestamp_ns: u64,
        /// How it has ended, where that may be seen.
        status: Option<ExitStatus>,
    },
}

/// Where events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LossCause {
    /// Before they were read: the socket's receive buffer was full.
    Socket,
    /// After: the subscriber's queue was full.
    Queue,
}

/// A hole in what was reported, and its repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossReport {
    /// Where.
    pub cause: LossCause,
    /// How many events were lost, at least.
    pub lost: u64,
    /// Execs that were reported late, to make it right.
    pub recovered_execs: u32,
    /// Exits that were reported late, to make it right.
    pub recovered_exits: u32,
}
