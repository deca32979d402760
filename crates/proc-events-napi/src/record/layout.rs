//! The layout of a record: its words, kinds and flags.
//!
//! | word | content |
//! |--:|---|
//! | 0 | kind (bits 0-7), origin (bits 8-15), flags (bits 16-31) |
//! | 1 | length of the record, in words |
//! | 2 | pid |
//! | 3, 4 | timestamp in nanoseconds on `CLOCK_MONOTONIC`, low word first |
//! | 5..9 | by kind, see below |
//! | 10.. | process details, with [`HAS_PROCESS`]: the mask of requested fields, the mask of read fields, the value of each read field in the order of the bits |
//! | .. | cost, with [`HAS_USAGE`]: the mask of the known numbers, then nine numbers of 64 bits, low word first |
//! | last | ancestry tags, with [`HAS_ANCESTRY_TAGS`]: the ids of the subscriber's tags, then their number |
//!
//! The kind of an event record is its `EventType`.
//!
//! | kind | words from 5 |
//! |---|---|
//! | fork | ppid |
//! | exec | id of the scan that found the process, 0 for an exec |
//! | exit | exit code with [`EXITED`], signal with [`SIGNALED`], ppid (0: unknown), duration in nanoseconds with [`HAS_DURATION`]; it is since the start of the process with [`SINCE_START`], else since its last exec |
//! | comm | tid, then 16 bytes of the name, padded with NUL |
//! | uid, gid | real id, effective id |
//! | ptrace | pid of the tracer (0: none) |
//! | coredump | ppid (0: unknown) |
//! | [`OPENED`] | size of the receive buffer in bytes, source (0: netlink, 1: polling) |
//! | [`SCAN_FINISHED`] | id of the scan |
//! | [`FLUSHED`] | id of the request |
//! | [`LOSS`] | cause (0: socket, 1: queue), lost events, recovered execs, recovered exits |
//! | [`WATCH_RESULT`] | id of the request, state (0: gone, 1: running, 2: exited, 3: not of this pid namespace), exit code, signal |
//!
//! Failure records are [`RESTART`], [`FAILED`] and [`FELL_BACK`]. They carry the values of a
//! [`NativeError`](crate::error::NativeError):
//!
//! | word | content |
//! |--:|---|
//! | 5 | `code` |
//! | 6 | `errno`, 0 if there is none |
//! | 10.. | the text `syscall\0context`, with [`HAS_TEXT`]. `syscall` is empty if no system call failed. |
//!
//! A text is its length in bytes, then its UTF-8 bytes, padded to whole words.

/// Length of a record without its variable part, in words.
pub(crate) const HEAD: usize = 10;

// Kinds of records that are not events.
pub(super) const OPENED: u32 = 32;
pub(super) const SCAN_FINISHED: u32 = 33;
pub(super) const LOSS: u32 = 34;
pub(super) const RESTART: u32 = 35;
pub(super) const FAILED: u32 = 36;
pub(super) const CLOSED: u32 = 37;
pub(super) const FELL_BACK: u32 = 38;
pub(super) const WATCH_RESULT: u32 = 39;
pub(super) const FLUSHED: u32 = 40;

// Flags.
pub(super) const HAS_PROCESS: u32 = 1;
/// In a failure record: a text follows the head.
pub(super) const HAS_TEXT: u32 = 1;
pub(super) const EXITED: u32 = 2;
pub(super) const SIGNALED: u32 = 4;
pub(super) const CORE_DUMPED: u32 = 8;
pub(super) const HAS_DURATION: u32 = 16;
pub(super) const ARGV_TRUNCATED: u32 = 32;
pub(super) const HAS_ANCESTRY_TAGS: u32 = 64;
pub(super) const SINCE_START: u32 = 128;
pub(super) const HAS_USAGE: u32 = 256;
