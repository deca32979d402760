//! The options and filter rules that JavaScript passes, and their conversion for the core.

use std::path::PathBuf;
use std::time::Duration;

use napi_derive::napi;
use proc_events::{Ancestor, Effort, EventTypes, Fields, FilterRule, Options, SourceKind};

/// Selects events by type, and by the process. All given properties must match.
#[napi(object)]
#[derive(Debug)]
pub struct NativeFilterRule {
    /// The event types, as a bit mask. The bit of a type is the kind of its records.
    pub types: u32,
    /// The process details to capture, as a bit mask.
    pub fields: u32,
    /// True if the arguments and the comm are to be read again when a process renames itself. Default: false.
    pub recapture: Option<bool>,
    /// The longest time by which these events may be delayed, in milliseconds. Default: that of the source.
    pub max_latency: Option<u32>,
    /// The name of the program, or the present comm of its process.
    pub name: Option<String>,
    /// The path of the executable.
    pub exe: Option<String>,
    /// The real user id.
    pub uid: Option<u32>,
    /// The pid of an ancestor.
    pub ancestor: Option<u32>,
    /// The ancestry tag that the records of the ancestor's descendants carry.
    pub ancestor_id: Option<u32>,
    /// The process id.
    pub pid: Option<u32>,
}

impl From<NativeFilterRule> for FilterRule {
    fn from(rule: NativeFilterRule) -> Self {
        Self {
            types: EventTypes::from_bits(rule.types as u16),
            fields: Fields::from_bits(rule.fields as u16),
            recapture: rule.recapture.unwrap_or(false),
            max_latency_ms: rule.max_latency,
            name: rule.name.map(String::into_boxed_str),
            exe: rule.exe.map(String::into_boxed_str),
            uid: rule.uid,
            ancestor: rule.ancestor.map(|pid| Ancestor { id: rule.ancestor_id.unwrap_or(0), pid }),
            pid: rule.pid,
        }
    }
}

/// Options of a source. Sources share one reader thread if all options except `queueSize`, `maxLatency` and `rules` are
/// equal.
#[napi(object)]
#[derive(Debug)]
pub struct NativeOptions {
    /// 0: netlink. 1: polling. 2: netlink, or polling if netlink is unavailable or fails.
    pub source: u32,
    /// Longest time between two looks of the polling source, in milliseconds.
    pub polling_interval: u32,
    /// How hard the polling source looks. 0: low. 1: normal. 2: high.
    pub effort: u32,
    /// Requested size of the socket's receive buffer, in bytes. 0: the default.
    pub receive_buffer_size: u32,
    /// Maximum number of queued events. 0: the default.
    pub queue_size: u32,
    /// Maximum number of bytes kept of the arguments of a process. 0: the default.
    pub max_argv_bytes: u32,
    /// Mount point of the host's proc file system.
    pub proc_root: String,
    /// True if the reader may raise its priority while it captures details.
    pub raise_priority: bool,
    /// The longest time by which events may be delayed, in milliseconds.
    pub max_latency: u32,
    /// True if scans report kernel threads.
    pub kernel_threads: bool,
    /// The rules in force from the start, see {@link Source.addRule}.
    pub rules: Vec<NativeFilterRule>,
}

impl NativeOptions {
    /// Splits the options into those of the core, the queue size, and the rules.
    pub(crate) fn into_core(self) -> (Options, usize, Vec<FilterRule>) {
        let default = Options::default();
        let receive_buffer_size = match self.receive_buffer_size {
            0 => default.receive_buffer_size,
            bytes => bytes as usize,
        };
        let max_argv_bytes = match self.max_argv_bytes {
            0 => default.max_argv_bytes,
            bytes => bytes as usize,
        };
        let options = Options {
            source: if self.source == 1 { SourceKind::Polling } else { SourceKind::Netlink },
            falls_back: self.source == 2,
            polling_interval: Duration::from_millis(self.polling_interval.into()),
            effort: match self.effort {
                0 => Effort::Low,
                1 => Effort::Normal,
                _ => Effort::High,
            },
            receive_buffer_size,
            proc_root: PathBuf::from(self.proc_root),
            raise_priority: self.raise_priority,
            max_argv_bytes,
            kernel_threads: self.kernel_threads,
        };
        let rules = self.rules.into_iter().map(FilterRule::from).collect();
        (options, self.queue_size as usize, rules)
    }
}
