//! The options of a subscription.

use std::path::PathBuf;
use std::time::Duration;

use crate::connector::DEFAULT_RECEIVE_BUFFER_SIZE;
use crate::model::effort::Effort;
use crate::model::source_kind::SourceKind;
use crate::procfs::DEFAULT_MAX_ARGV_BYTES;

/// The options of a subscription. Subscriptions with equal options share a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The event source.
    pub source: SourceKind,
    /// Polls `/proc` if the connector is unavailable, or has failed for good.
    pub falls_back: bool,
    /// Longest time between two looks at the processes where the kernel does not report them.
    pub polling_interval: Duration,
    /// How hard the reader looks where the kernel does not report processes.
    pub effort: Effort,
    /// Requested size of the socket's receive buffer, in bytes. The kernel may limit it.
    pub receive_buffer_size: usize,
    /// Mount point of the host's proc file system.
    pub proc_root: PathBuf,
    /// Raises the scheduling priority of the reader thread while details are captured, see [`Priority`], and starts a
    /// capture worker on each CPU.
    ///
    /// [`Priority`]: crate::Priority
    pub raise_priority: bool,
    /// Maximum size of the arguments of a process, in bytes of text. Includes the NUL behind each argument.
    pub max_argv_bytes: usize,
    /// Reports kernel threads in scans. They never called exec.
    pub kernel_threads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: SourceKind::Netlink,
            falls_back: false,
            polling_interval: Duration::from_millis(250),
            effort: Effort::default(),
            receive_buffer_size: DEFAULT_RECEIVE_BUFFER_SIZE,
            proc_root: "/proc".into(),
            raise_priority: true,
            max_argv_bytes: DEFAULT_MAX_ARGV_BYTES,
            kernel_threads: false,
        }
    }
}
