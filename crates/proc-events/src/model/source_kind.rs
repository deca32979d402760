//! Where events come from.

/// Where events come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SourceKind {
    /// The kernel's process connector.
    #[default]
    Netlink,
    /// Snapshots of `/proc`: what starts and ends between two of them is missed.
    Polling,
}
