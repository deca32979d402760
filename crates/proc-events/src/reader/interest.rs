//! The interest of all subscriptions together.
//!
//! The way of an interest from a subscriber to the kernel is: `FilterRule`, its `Interest`, the `SubscriptionFilter` of
//! the queue, `kernel_types()`, and `bpf::program()`.

use std::sync::Arc;

use crate::delivery::queue::SubscriberQueue;
use crate::model::interest::{EventTypes, Interest};

/// Returns the event types that the kernel filter must pass for all subscribers. A subscriber may have widened the
/// filter for its own types before.
pub(super) fn kernel_types(queues: &[Arc<SubscriberQueue>]) -> EventTypes {
    queues.iter().map(|queue| queue.kernel_types()).fold(EventTypes::NONE, EventTypes::union)
}

/// Returns the interest of all subscribers together.
pub(super) fn combined_interest(queues: &[Arc<SubscriberQueue>]) -> Interest {
    queues.iter().map(|queue| queue.interest()).fold(Interest::default(), Interest::union)
}
