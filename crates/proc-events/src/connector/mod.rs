//! The kernel's process connector: a netlink socket that joins its multicast group, listens, and filters.

pub mod bpf;
pub mod drop_counter;
mod handshake;
pub(crate) mod kernel_filter;
pub(crate) mod namespace;
mod socket;
pub mod source;
pub mod wire;

pub use handshake::probe;
pub(crate) use handshake::{open_exec_listener, recv, set_no_enobufs, set_receive_buffer_size};
pub use socket::{Connector, DEFAULT_RECEIVE_BUFFER_SIZE};
