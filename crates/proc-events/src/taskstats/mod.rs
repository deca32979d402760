//! The kernel's taskstats: a record of the cost of each process that exits, on a socket beside the connector's.

pub mod collector;
mod handshake;
pub mod matcher;
mod socket;
pub mod source;
pub mod wire;

pub use handshake::probe;
pub(crate) use socket::TaskstatsSocket;
