//! Every exec and exit of this Linux machine, as the kernel's process connector reports it.
//!
//! ```text
//!  kernel ─datagrams→ socket ─bytes→ wire ─Message→ table ─ProcessEvent→ outbox ─ring!→ subscriber
//!             │ drop counter              loss ↓      ↑ reconcile
//!             └───────────→ resync ←── procfs.snapshot(/proc) ──→ also: the scan at the start
//!             └──────────── reader.rs: one thread, one loop, this picture ───────┘
//! ```
//!
//! One idea carries it: a snapshot of `/proc` compared with the process table ([`table::ProcessTable::reconcile`]).
//!
//! ```no_run
//! use std::sync::mpsc::channel;
//! use proc_events::{Fields, Interest, Kinds, Notice, Options, Subscription};
//!
//! let (bell, rung) = channel();
//! let interest = Interest { kinds: Kinds::LIFE, fields: Fields::NONE };
//! let subscription = Subscription::new(Options::default(), 0, interest, Box::new(move || bell.send(()).unwrap_or_default()));
//! subscription.scan(0);
//! let mut notices = Vec::new();
//! while rung.recv().is_ok() {
//!     let mut is_all = false;
//!     while !is_all {
//!         is_all = subscription.take(1024, &mut notices);
//!         for notice in notices.drain(..) {
//!             match notice {
//!                 Notice::Event(event) => println!("{} {:?}", event.pid, event.kind),
//!                 Notice::Failed(error) => return eprintln!("{error}"),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//! ```

mod deathwatch;
pub mod descent;
pub mod door;
pub mod error;
pub mod event;
pub mod filter;
pub mod hearing;
pub mod interest;
mod liveness;
pub mod loss;
pub mod monitor;
mod namespace;
pub mod notice;
pub mod outbox;
pub mod overflow;
mod priority;
mod probe;
pub mod procfs;
mod reader;
pub mod resync;
pub mod sieve;
pub mod socket;
pub mod stats;
mod sys;
pub mod table;
pub mod wire;

pub use error::{Error, ErrorCode};
pub use event::{Argv, EventKind, ExitStatus, Origin, ProcessEvent, ProcessInfo};
pub use interest::{EventType, Field, Fields, Interest, Kinds};
pub use monitor::{Options, SourceKind, Subscription};
pub use notice::{LossCause, LossReport, Notice, Watch};
pub use priority::Priority;
pub use probe::{Probe, probe};
pub use procfs::Procfs;
pub use sieve::{Ancestor, Wish};
