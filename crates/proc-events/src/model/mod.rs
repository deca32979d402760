//! Inert values that the rooms pass to each other.

pub(crate) mod effort;
pub(crate) mod event;
pub(crate) mod interest;
pub(crate) mod notification;
pub mod now;
pub mod report;
pub mod snapshot;
pub(crate) mod source_kind;
pub mod stream_position;
pub mod usage;
