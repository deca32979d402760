//! Where in the stream of messages something stands.

/// A position in the stream of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamPosition(pub(crate) u64);
