//! The proc file system: the details of one process, and snapshots of all processes.

mod clock;
mod cmdline;
mod file_buffer;
mod files;
mod hung;
mod ids;
mod mount;
pub mod name;
mod open_stats;
pub mod parse;
mod raw;
mod reader;
mod snapshot;

pub(crate) use clock::clock_ns;
pub use clock::realtime_offset_ns;
pub use files::DEFAULT_MAX_ARGV_BYTES;
pub(crate) use hung::{DEADLINE, ReadState, STUCK_MAX, stuck_threads};
pub(crate) use mount::PidList;
pub use mount::Procfs;
pub(crate) use parse::comm_text;
pub(crate) use raw::RawDetails;
pub(crate) use reader::DirectReader;
pub use reader::Reader;
