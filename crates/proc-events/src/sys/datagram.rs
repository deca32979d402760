//! A datagram as `recvmmsg` fills it.

/// What a datagram of the process connector is long: an envelope of 36 bytes, and an event of 40.
pub const DATAGRAM_LEN: usize = 76;

/// A datagram, as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// What there was room for.
    pub bytes: [u8; DATAGRAM_LEN],
    /// Its whole length.
    pub len: usize,
    /// The sender's port, if it has one.
    pub port: Option<u32>,
}

impl Datagram {
    pub(crate) const EMPTY: Self = Self { bytes: [0; DATAGRAM_LEN], len: 0, port: None };

    /// The message, if it is the kernel's and no longer than an event. Whoever has `CAP_NET_ADMIN` can send to the group:
    /// only the port tells that it was not the kernel.
    pub fn message(&self) -> Option<&[u8]> {
        let bytes = self.bytes.get(..self.len);
        bytes.filter(|_| self.port == Some(0))
    }
}
