//! Parses datagrams of the process connector.
//!
//! A datagram is `struct nlmsghdr` (`linux/netlink.h`), `struct cn_msg` (`linux/connector.h`) and `struct proc_event`
//! (`linux/cn_proc.h`), in host byte order. The first two, 36 bytes, are checked here, because a wrong length in them
//! makes neli's parser panic or loop. neli decodes the rest.

use std::io::Cursor;
use std::ops::Range;

use neli::FromBytesWithInput;
use neli::connector::{ProcEvent, ProcEventHeader};

/// `struct nlmsghdr`, linux/netlink.h
mod nlmsghdr {
    use super::Range;
    pub(super) const NLMSG_LEN: Range<usize> = 0..4;
    pub(super) const NLMSG_TYPE: Range<usize> = 4..6;
}
/// `struct cn_msg`, linux/connector.h
mod cn_msg {
    use super::Range;
    pub(super) const IDX: Range<usize> = 16..20;
    pub(super) const VAL: Range<usize> = 20..24;
    pub(super) const SEQ: Range<usize> = 24..28;
    pub(super) const ACK: Range<usize> = 28..32;
    pub(super) const LEN: Range<usize> = 32..34;
}
/// Offset of `struct proc_event` in the datagram, in bytes.
pub const PROC_EVENT: usize = 36;
/// Maximum size of `struct proc_event`, in bytes.
const PROC_EVENT_LEN: usize = 40;
/// Size of `what`, `cpu` and `timestamp_ns`, in bytes.
const PROC_EVENT_HEAD: usize = 16;

pub use crate::sys::datagram::DATAGRAM_LEN;
use crate::sys::datagram::{u16_at, u32_at};

const NLMSG_DONE: u16 = 3;
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;

/// `enum what` of `struct proc_event`, `linux/cn_proc.h`
pub mod what {
    #![expect(missing_docs, reason = "the names of the kernel's header")]
    pub const PROC_EVENT_NONE: u32 = 0;
    pub const PROC_EVENT_FORK: u32 = 1;
    pub const PROC_EVENT_EXEC: u32 = 2;
    pub const PROC_EVENT_UID: u32 = 4;
    pub const PROC_EVENT_GID: u32 = 0x40;
    pub const PROC_EVENT_SID: u32 = 0x80;
    pub const PROC_EVENT_PTRACE: u32 = 0x100;
    pub const PROC_EVENT_COMM: u32 = 0x200;
    pub const PROC_EVENT_COREDUMP: u32 = 0x4000_0000;
    pub const PROC_EVENT_EXIT: u32 = 0x8000_0000;
}

/// One parsed datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Sequence number of this message among those of its CPU.
    pub seq: u32,
    /// In an acknowledgement, the token of the request plus 1.
    pub ack: u32,
    /// The CPU that sent the message.
    pub cpu: u32,
    /// Time of the event, in nanoseconds on `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
    /// The event.
    pub event: ProcEvent,
}

/// Identifies a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageId {
    /// See [`Message::seq`].
    pub seq: u32,
    /// See [`Message::cpu`].
    pub cpu: u32,
    /// See [`Message::timestamp_ns`].
    pub timestamp_ns: u64,
}

impl Message {
    /// Returns the identity of this message. A duplicate has the same one.
    pub const fn id(&self) -> MessageId {
        let &Self { seq, cpu, timestamp_ns, .. } = self;
        MessageId { seq, cpu, timestamp_ns }
    }
}

/// The reason why a datagram is not a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The datagram is not a complete message of the process connector.
    Malformed,
    /// This version does not know the type of event.
    UnknownKind(u32),
}

/// Parses one datagram. Does not panic on any input.
///
/// # Errors
/// [`Reject`] if the datagram is not a message that this version knows.
pub fn parse(datagram: &[u8]) -> Result<Message, Reject> {
    let payload = datagram.get(PROC_EVENT..).ok_or(Reject::Malformed)?;
    let envelope_is_valid = u32_at(datagram, nlmsghdr::NLMSG_LEN) as usize == datagram.len()
        && u16_at(datagram, nlmsghdr::NLMSG_TYPE) == NLMSG_DONE
        && u32_at(datagram, cn_msg::IDX) == CN_IDX_PROC
        && u32_at(datagram, cn_msg::VAL) == CN_VAL_PROC
        && usize::from(u16_at(datagram, cn_msg::LEN)) == payload.len()
        && (PROC_EVENT_HEAD..=PROC_EVENT_LEN).contains(&payload.len());
    if !envelope_is_valid {
        return Err(Reject::Malformed);
    }
    // Kernels before 4.18 do not set the parent of an exit. Missing bytes read as 0, which means "unknown" in every
    // field.
    let mut event = [0; PROC_EVENT_LEN];
    event[..payload.len()].copy_from_slice(payload);
    let kind = u32_at(&event, 0..4);
    if !is_known(kind) {
        return Err(Reject::UnknownKind(kind));
    }
    let header = ProcEventHeader::from_bytes_with_input(&mut Cursor::new(&event[..]), PROC_EVENT_LEN)
        .map_err(|_| Reject::Malformed)?;
    Ok(Message {
        seq: u32_at(datagram, cn_msg::SEQ),
        ack: u32_at(datagram, cn_msg::ACK),
        cpu: header.cpu,
        timestamp_ns: header.timestamp_ns,
        event: header.event,
    })
}

const fn is_known(kind: u32) -> bool {
    use what::{
        PROC_EVENT_COMM, PROC_EVENT_COREDUMP, PROC_EVENT_EXEC, PROC_EVENT_EXIT, PROC_EVENT_FORK,
        PROC_EVENT_GID, PROC_EVENT_NONE, PROC_EVENT_PTRACE, PROC_EVENT_SID, PROC_EVENT_UID,
    };
    matches!(
        kind,
        PROC_EVENT_NONE
            | PROC_EVENT_FORK
            | PROC_EVENT_EXEC
            | PROC_EVENT_UID
            | PROC_EVENT_GID
            | PROC_EVENT_SID
            | PROC_EVENT_PTRACE
            | PROC_EVENT_COMM
            | PROC_EVENT_COREDUMP
            | PROC_EVENT_EXIT
    )
}

/// Builds a datagram as the kernel does, for tests and simulations. `words` become `event_data`.
#[must_use]
pub fn datagram(kind: u32, seq: u32, timestamp_ns: u64, words: &[u32]) -> [u8; DATAGRAM_LEN] {
    let mut bytes = [0; DATAGRAM_LEN];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(target) = bytes.get_mut(at..at + value.len()) {
            target.copy_from_slice(value);
        }
    };
    put(nlmsghdr::NLMSG_LEN.start, &(DATAGRAM_LEN as u32).to_ne_bytes());
    put(nlmsghdr::NLMSG_TYPE.start, &NLMSG_DONE.to_ne_bytes());
    put(cn_msg::IDX.start, &CN_IDX_PROC.to_ne_bytes());
    put(cn_msg::VAL.start, &CN_VAL_PROC.to_ne_bytes());
    put(cn_msg::SEQ.start, &seq.to_ne_bytes());
    put(cn_msg::LEN.start, &(PROC_EVENT_LEN as u16).to_ne_bytes());
    put(PROC_EVENT, &kind.to_ne_bytes());
    put(PROC_EVENT + 8, &timestamp_ns.to_ne_bytes());
    for (index, word) in words.iter().enumerate() {
        put(PROC_EVENT + PROC_EVENT_HEAD + 4 * index, &word.to_ne_bytes());
    }
    bytes
}

/// Returns the pid, or `None` for 0, which the kernel reports if the process no longer exists.
pub(crate) fn known_pid(pid: i32) -> Option<u32> {
    u32::try_from(pid).ok().filter(|&pid| pid != 0)
}

#[cfg(test)]
mod tests {
    use super::what::{PROC_EVENT_EXEC, PROC_EVENT_EXIT};
    use super::*;

    #[test]
    fn an_exit_is_parsed_with_every_field() {
        let bytes = datagram(PROC_EVENT_EXIT, 7, 1 << 40, &[10, 10, 0x300, 17, 4, 5]);
        let message = parse(&bytes).unwrap();
        assert_eq!((message.seq, message.timestamp_ns), (7, 1 << 40));
        let ProcEvent::Exit { process_pid, process_tgid, exit_code, exit_signal, parent_pid, parent_tgid } =
            message.event
        else {
            panic!("{:?}", message.event)
        };
        assert_eq!((process_pid, process_tgid, exit_code, exit_signal), (10, 10, 0x300, 17));
        assert_eq!((parent_pid, parent_tgid), (4, 5));
    }

    #[test]
    fn missing_bytes_of_an_old_kernel_read_as_zero() {
        let mut bytes = datagram(PROC_EVENT_EXIT, 0, 0, &[10, 10, 0x300, 17])[..68].to_vec();
        bytes[0..4].copy_from_slice(&68u32.to_ne_bytes());
        bytes[32..34].copy_from_slice(&32u16.to_ne_bytes());
        assert!(matches!(parse(&bytes).unwrap().event, ProcEvent::Exit { parent_tgid: 0, .. }));
    }

    #[test]
    fn a_foreign_or_cut_envelope_is_rejected() {
        let right = datagram(PROC_EVENT_EXEC, 0, 0, &[10, 10]);
        assert!(parse(&right).is_ok());
        for at in [0, 4, 16, 20, 32] {
            let mut wrong = right;
            wrong[at] ^= 0x55;
            assert_eq!(parse(&wrong).unwrap_err(), Reject::Malformed, "byte {at}");
        }
        for len in 0..DATAGRAM_LEN {
            assert_eq!(parse(&right[..len]).unwrap_err(), Reject::Malformed, "cut at {len}");
        }
    }

    #[test]
    fn an_unknown_kind_is_rejected_with_its_number() {
        assert_eq!(parse(&datagram(0x800, 0, 0, &[])).unwrap_err(), Reject::UnknownKind(0x800));
    }

    #[test]
    fn every_known_kind_decodes() {
        use super::what::*;
        for kind in [
            PROC_EVENT_NONE,
            PROC_EVENT_FORK,
            PROC_EVENT_EXEC,
            PROC_EVENT_UID,
            PROC_EVENT_GID,
            PROC_EVENT_SID,
            PROC_EVENT_PTRACE,
            PROC_EVENT_COMM,
            PROC_EVENT_COREDUMP,
            PROC_EVENT_EXIT,
        ] {
            assert!(parse(&datagram(kind, 0, 0, &[1, 1, 1, 1, 1, 1])).is_ok(), "{kind:#x}");
        }
    }
}
