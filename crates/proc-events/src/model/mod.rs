//! The values that are passed around. They do nothing by themselves.

pub mod event;
pub mod interest;
pub mod notification;
pub mod now;
pub mod snapshot;
pub mod source_kind;
pub mod stream_position;
