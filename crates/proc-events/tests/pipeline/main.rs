//! The pipeline in histories that could mislead it: late and lost reports, descriptors that run out, reused pids. Each
//! test is a history, step by step, on a scripted machine. No kernel, no clock.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../support/backend.rs"]
mod backend;
mod details;
mod exit_watches;
mod flush;
mod harness;
mod late_reports;
mod leader_exits;
mod machine;
mod renames;
mod resync;
mod scan;
mod watch;

/// The result of [`harness::Harness::take`] if nothing was reported.
const NOTHING: [&str; 0] = [];
