//! Per-CPU threads that read the details of a process before its new program runs.

mod cpus;
mod queue;
mod worker;
pub(crate) mod workers;
