//! The pipeline on a scripted machine: late and lost reports, missing descriptors, reused pids. No kernel, no clock.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod details;
#[path = "../support/fake_backend.rs"]
mod fake_backend;
mod harness;
mod late_reports;
mod leader_exits;
mod snapshots;
mod watches;
