//! Delivery to one subscriber: its filter, its bounded queue, and the overflow of that queue.

pub(crate) mod filter;
pub mod overflow;
pub mod queue;
mod queue_state;
