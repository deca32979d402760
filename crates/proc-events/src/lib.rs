//! Reports every exec and exit on a Linux machine, from the kernel's process connector.
//!
//! ```text
//!  kernel ─datagrams→ connector ─Message→ process table ─ProcessEvent→ subscriber queues ─wake→ subscriber
//!                        │ drop counter        ↑ reconcile
//!                        └────→ resync ←── snapshot of /proc ──→ also: bootstrap scan, /proc source
//!                        └──────────── reader: one tokio thread, one event loop, this picture ────────┘
//! ```
//!
//! One idea carries the project: a snapshot of `/proc` is reconciled with the process table. The bootstrap scan, the
//! resync after a loss, the `/proc` source and the repair of missed exits are that one operation.
//!
//! ```no_run
//! use std::sync::mpsc::channel;
//! use proc_events::{EventTypes, Fields, Interest, Notification, Options, Subscription};
//!
//! let (wake, woken) = channel();
//! let interest = Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE, recapture: false };
//! let subscription = Subscription::new(Options::default(), 0, interest, Box::new(move || wake.send(()).unwrap_or_default()));
//! subscription.scan(0);
//! let mut notifications = Vec::new();
//! while woken.recv().is_ok() {
//!     let mut is_empty = false;
//!     while !is_empty {
//!         is_empty = subscription.take(1024, &mut notifications);
//!         for notification in notifications.drain(..) {
//!             match notification {
//!                 Notification::Event(event) => println!("{} {:?}", event.pid, event.data),
//!                 Notification::Failed(error) => return eprintln!("{error}"),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! ```

// Hidden modules are public only for the tests, fuzzers and benchmarks of this package.
mod capture;
#[doc(hidden)]
pub mod connector;
#[doc(hidden)]
pub mod cursor;
#[doc(hidden)]
pub mod delivery;
mod error;
#[doc(hidden)]
pub mod model;
mod options;
#[doc(hidden)]
pub mod perf;
#[doc(hidden)]
pub mod pipeline;
mod probe;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod procfs;
mod reader;
mod signal;
#[doc(hidden)]
pub mod stats;
mod subscription;
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod taskstats;

pub use delivery::filter::{Ancestor, FilterRule};
pub use delivery::queue::QueueStats;
pub use error::{Error, ErrorCode};
pub use model::effort::Effort;
pub use model::event::{
    AncestryTag, AncestryTags, Argv, EventData, ExitStatus, Origin, ProcessEvent, ProcessInfo, RunTime,
};
pub use model::interest::{EventType, EventTypes, Field, Fields, Interest};
pub use model::notification::{LossCause, LossReport, Notification, WatchResult};
pub use model::source_kind::{SourceKind, Watching};
pub use model::usage::ResourceUsage;
pub use options::Options;
pub use probe::{Probe, probe};
pub use procfs::{Procfs, realtime_offset_ns};
pub use signal::signal_process;
pub use stats::Counts;
pub use subscription::{Gauges, Subscription};
pub use sys::scheduling::Priority;
