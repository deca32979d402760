//! From the reader to one subscriber: which events it takes, and a bounded queue of them.

pub mod filter;
pub mod overflow;
pub mod queue;
mod queue_state;
