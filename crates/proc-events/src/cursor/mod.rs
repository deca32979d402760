//! Notices processes without the process connector, and without privileges.
//!
//! The kernel gives out process ids in ascending order, and `/proc/loadavg` shows the last one. All ids in between belong
//! to new processes and threads. A pidfd shows the exit of each process, and on Linux 6.15 its status.
//!
//! ```text
//!  inotify: a program is opened ─┐                   ┌→ pidfd_open: process, thread, or gone
//!  tick of 1 or 50 ms ───────────┼→ CursorTracker ───┼→ /proc/PID/stat: has it called exec?
//!  pidfd: a process has exited ──┘        │          └→ /proc/PID/*: details
//!                                         └→ reports → pipeline
//! ```
//!
//! Only [`tracker`] decides. It does no I/O of its own, and takes time as an argument.

mod audit;
mod foreign;
pub mod host;
mod linux;
mod opens;
pub mod pace;
pub mod rest;
mod schedule;
mod shared;
mod source;
mod thread;
pub mod tracker;

pub(crate) use shared::CursorOptions;
pub(crate) use source::CursorSource;
