//! Positions in the stream of messages.

/// A position in the stream of messages. A later message has a greater position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamPosition(pub(crate) u64);
