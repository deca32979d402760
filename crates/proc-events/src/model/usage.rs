//! The cost of a process. Inert values.

/// The cost of a process, by the kernel's own accounts. A number is `None` if the kernel cannot say it of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceUsage {
    /// CPU time of all threads, in nanoseconds. The record has it as the scheduler has last added it up: when the thread
    /// waited, or at a timer tick. The teardown of the process comes later.
    pub cpu_ns: u64,
    /// The largest amount of memory that the last program had resident, in bytes.
    pub max_rss_bytes: Option<u64>,
    /// Bytes that were read from storage. `None` for a process with threads.
    pub read_bytes: Option<u64>,
    /// Bytes that were written to storage. `None` for a process with threads.
    pub write_bytes: Option<u64>,
    /// Page faults without I/O. `None` for a process with threads.
    pub minor_faults: Option<u64>,
    /// Page faults with I/O. `None` for a process with threads.
    pub major_faults: Option<u64>,
    /// Number of times that a thread waited.
    pub voluntary_switches: Option<u64>,
    /// Number of times that a thread was preempted.
    pub involuntary_switches: Option<u64>,
    /// Time that threads were ready to run and waited for a CPU, in nanoseconds.
    pub cpu_delay_ns: Option<u64>,
}
