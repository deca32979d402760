//! The kinds of event source.

/// A kind of event source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// The kernel's process connector.
    #[default]
    Netlink,
    /// Snapshots of `/proc`. They miss processes that start and exit between two snapshots.
    Polling,
}
