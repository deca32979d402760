//! Inert values that the rooms pass to each other.

pub mod event;
pub mod interest;
pub mod notification;
pub mod now;
pub mod snapshot;
pub mod source_kind;
pub mod stream_position;
