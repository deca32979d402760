//! Perf task events: the kernel reports forks, execs, renames and exits where the process connector is out of reach.
//!
//! ```text
//!  CPU 0: ring ─┐
//!  CPU 1: ring ─┼→ bytes → TaskRecord → merged by time → the cursor's tracker
//!  CPU n: ring ─┘
//! ```
//!
//! Privileged programs get the records of all processes. Others get those of their own threads and of all that these start.
//! The pids are those of the pid namespace that opens the events.

mod events;
pub mod merge;
pub mod record;

pub(crate) use events::{Coverage, PerfEvents};
