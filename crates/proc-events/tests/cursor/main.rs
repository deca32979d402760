//! The cursor's tracker on a fake machine: single histories step by step, and properties of every history. No kernel, no
//! clock.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod harness;
mod histories;
#[path = "../support/pid_machine.rs"]
mod pid_machine;
mod properties;
mod records;
