//! How to monitor.

use std::path::PathBuf;
use std::time::Duration;

use crate::connector::DEFAULT_RECEIVE_BUFFER_SIZE;
use crate::model::source_kind::SourceKind;
use crate::procfs::DEFAULT_MAX_ARGV_BYTES;

/// How to monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where events come from.
    pub source: SourceKind,
    /// Whether to poll where netlink cannot be had, or has failed for good.
    pub falls_back: bool,
    /// Between two snapshots, when polling.
    pub polling_interval: Duration,
    /// Bytes asked for the socket's receive buffer.
    pub receive_buffer_size: usize,
    /// Where the host's proc file system is mounted.
    pub proc_root: PathBuf,
    /// Whether the reader's thread asks to be woken sooner while details are captured, see [`Priority`].
    pub raise_priority: bool,
    /// The bytes of text that are kept of the arguments of a process, at most, the NUL behind each among them.
    pub max_argv_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: SourceKind::Netlink,
            falls_back: false,
            polling_interval: Duration::from_millis(250),
            receive_buffer_size: DEFAULT_RECEIVE_BUFFER_SIZE,
            proc_root: "/proc".into(),
            raise_priority: true,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
        }
    }
}
