//! The buffer of one datagram, as `recvmmsg` fills it, and the numbers in it.

use std::ops::Range;

/// Length of a datagram of the process connector, in bytes: headers of 36 bytes, and a `struct proc_event` of 40.
pub const DATAGRAM_LEN: usize = 76;

/// Returns a number in the host's byte order; 0 if a byte is missing.
pub(crate) fn u16_at(bytes: &[u8], range: Range<usize>) -> u16 {
    bytes.get(range).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

/// Like [`u16_at`].
pub(crate) fn u32_at(bytes: &[u8], range: Range<usize>) -> u32 {
    bytes.get(range).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// One received datagram, of at most `LEN` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<const LEN: usize = DATAGRAM_LEN> {
    /// The received bytes. A longer datagram is cut.
    pub bytes: [u8; LEN],
    /// Length of the whole datagram, in bytes. Greater than `LEN` if it was cut.
    pub len: usize,
    /// The sender's netlink port: 0 for the kernel, `None` if the sender has no netlink address.
    pub port: Option<u32>,
}

/// Upper bound of the kernel memory of a datagram of [`DATAGRAM_LEN`] bytes. Linux 6.18 uses 832 bytes.
pub(crate) const MEMORY_MAX: usize = 4096;

impl<const LEN: usize> Datagram<LEN> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; LEN], len: 0, port: None };

    /// Returns an upper bound of the part of the receive buffer that the datagram took beyond [`MEMORY_MAX`].
    pub(crate) const fn foreign_memory(&self) -> usize {
        2 * self.len
    }

    /// Returns the bytes if the kernel sent the datagram, and it was not cut.
    ///
    /// Any process with `CAP_NET_ADMIN` can send to the multicast group. Only the port identifies the kernel.
    pub fn message(&self) -> Option<&[u8]> {
        let bytes = self.bytes.get(..self.len);
        bytes.filter(|_| self.port == Some(0))
    }
}
