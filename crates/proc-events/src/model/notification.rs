//! Everything that a subscriber receives. Inert values.

use crate::error::Error;
use crate::model::event::{ExitStatus, ProcessEvent};
use crate::model::source_kind::SourceKind;

/// An item of a subscriber's queue.
#[derive(Clone, Debug)]
pub enum Notification {
    /// A live process event.
    Event(ProcessEvent),
    /// The source is open, and the kernel has acknowledged it.
    Opened {
        /// Size of the socket's receive buffer, in bytes; 0: no socket.
        receive_buffer_size: u32,
        /// Kind of the open source.
        source: SourceKind,
    },
    /// A running process that a scan found.
    ScanEvent {
        /// An exec of [`crate::Origin::Bootstrap`].
        event: ProcessEvent,
        /// The id of the request.
        id: u32,
    },
    /// The scan has reported every running process.
    ScanFinished {
        /// The id of the request.
        id: u32,
    },
    /// All events that the kernel had reported before the request were queued before this.
    Flushed {
        /// The id of the request.
        id: u32,
    },
    /// The answer to a request to watch the exit of a process.
    Watched {
        /// The id of the request.
        id: u32,
        /// State of the process.
        watch: WatchResult,
    },
    /// Events were lost. Their effects are repaired.
    Loss(LossReport),
    /// The source failed for this reason and was reopened.
    Restart(Error),
    /// The process connector is unavailable for this reason. The reader polls `/proc` instead. Another one follows if that
    /// lacks something.
    FellBackToPolling(Error),
    /// The source could not be opened, or has failed for good.
    Failed(Error),
    /// The last notification of a subscription.
    Closed,
}

/// The state of a process whose exit a subscriber asked to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchResult {
    /// The process runs. The next exit of its pid is its exit.
    Running,
    /// `/proc` shows another pid namespace, so that this pid is that of another process there.
    Foreign,
    /// The process has exited. If its pid had an exit since the request, the last one is its exit.
    Gone,
    /// The process has just exited, or is a zombie. Its exit may have been reported before the request.
    Exited {
        /// The process id.
        pid: u32,
        /// Time at which the exit was noticed, in nanoseconds on `CLOCK_MONOTONIC`.
        timestamp_ns: u64,
        /// The wait status; `None` if unknown, or if this user may not see it.
        status: Option<ExitStatus>,
    },
}

/// The place at which events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LossCause {
    /// The socket's receive buffer was full, so the kernel dropped events.
    Socket,
    /// The subscriber's queue was full, so the reader dropped events.
    Queue,
}

/// A loss of events, and its repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossReport {
    /// The place of the loss.
    pub cause: LossCause,
    /// Number of lost events, at least.
    pub lost: u64,
    /// Number of execs that the repair reports late.
    pub recovered_execs: u32,
    /// Number of exits that the repair reports late.
    pub recovered_exits: u32,
}
