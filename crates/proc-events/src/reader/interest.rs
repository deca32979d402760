//! The interest of all subscriptions together.
//!
//! The way of an interest from a subscriber to the kernel is: `FilterRule`, its `Interest`, the `SubscriptionFilter` of
//! the queue, `kernel_types()`, and `bpf::program()`.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::queue::SubscriberQueue;
use crate::model::interest::{EventTypes, Field, Fields, Interest};

/// The longest delay of a read.
const MAX_LATENCY: Duration = Duration::from_secs(10);

/// Returns the event types that the kernel filter must pass for all subscribers. A subscriber may have widened the
/// filter for its own types before.
pub(super) fn kernel_types(queues: &[Arc<SubscriberQueue>]) -> EventTypes {
    queues.iter().map(|queue| queue.kernel_types()).fold(EventTypes::NONE, EventTypes::union)
}

/// Returns the longest time by which events may be delayed for all subscribers.
pub(super) fn max_latency(queues: &[Arc<SubscriberQueue>]) -> Duration {
    let latency_ms = queues.iter().map(|queue| queue.max_latency_ms()).min().unwrap_or(0);
    // Without rules no event is awaited, but the process table must not fall far behind.
    Duration::from_millis(latency_ms.into()).min(MAX_LATENCY)
}

/// Returns the interest of all subscribers together, without the fields that `/proc` does not show.
pub(super) fn combined_interest(queues: &[Arc<SubscriberQueue>]) -> Interest {
    let interest = queues.iter().map(|queue| queue.interest()).fold(Interest::default(), Interest::union);
    Interest { fields: interest.fields.without(Fields::OF_EXITS), ..interest }
}

/// Returns true if a subscriber asks for the costs of processes.
pub(super) fn wants_usage(queues: &[Arc<SubscriberQueue>]) -> bool {
    queues.iter().any(|queue| queue.interest().fields.has(Field::Usage))
}
