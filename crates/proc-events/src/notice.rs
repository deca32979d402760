//! What a subscriber receives: events, and what it has to know about them. Inert values.

use crate::error::Error;
use crate::event::ProcessEvent;
use crate::monitor::SourceKind;

/// What a subscriber receives.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A process event.
    Event(ProcessEvent),
    /// The source is open, and acknowledged by the kernel.
    Opened {
        /// The bytes of the socket's receive buffer; 0 where there is none.
        receive_buffer_size: u32,
        /// What kind of source it is.
        source: SourceKind,
    },
    /// Every process that was running has been reported.
    Scanned {
        /// The number given to the request.
        id: u32,
    },
    /// Events were lost, and the rest was made right.
    Loss(LossReport),
    /// The source failed and was opened anew.
    Restart(Error),
    /// The process connector cannot be had, for this reason: `/proc` is polled instead.
    FallenBack(Error),
    /// The source could not be opened, or has failed for good.
    Failed(Error),
    /// The last notice of all.
    Closed,
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
