//! Checks that any bytes are parsed as `linux/cn_proc.h` lays them out, or rejected.

use neli::connector::ProcEvent;
use proc_events::connector::wire::what::{
    PROC_EVENT_COMM, PROC_EVENT_COREDUMP, PROC_EVENT_EXEC, PROC_EVENT_EXIT, PROC_EVENT_FORK, PROC_EVENT_GID,
    PROC_EVENT_NONE, PROC_EVENT_PTRACE, PROC_EVENT_SID, PROC_EVENT_UID,
};
use proc_events::connector::wire::{self, Reject};

pub(crate) const KINDS: [u32; 10] = [
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
];

/// Checks that a whole message of a known kind is parsed field by field, and that all else is rejected for the right reason.
pub(crate) fn check(bytes: &[u8]) {
    let (word, half) =
        (|at| u32::from_ne_bytes(at_most(bytes, at)), |at| u16::from_ne_bytes(at_most(bytes, at)));
    let payload = bytes.len().saturating_sub(36);
    let is_whole = word(0) as usize == bytes.len()
        && half(4) == 3
        && (word(16), word(20)) == (1, 1)
        && usize::from(half(32)) == payload
        && (16..=40).contains(&payload);
    let is_known = KINDS.contains(&word(36));
    match wire::parse(bytes) {
        Err(Reject::Malformed) => assert!(!is_whole, "rejected, though whole"),
        Err(Reject::UnknownKind(kind)) => {
            assert!(is_whole && !is_known, "rejected, though known, or not whole: {kind:#x}");
            assert_eq!(kind, word(36));
        }
        Ok(message) => {
            assert!(is_whole && is_known, "accepted: {message:?}");
            assert_eq!((message.seq, message.ack, message.cpu), (word(24), word(28), word(40)));
            assert_eq!(message.timestamp_ns, u64::from_ne_bytes(at_most(bytes, 44)));
            let (kind, words) = words(&message.event);
            let sent: Vec<_> = (0..words.len()).map(|index| word(52 + 4 * index)).collect();
            assert_eq!((kind, words), (word(36), sent), "{message:?}");
        }
    }
}

/// Returns the bytes from `at` on. Those behind the end are 0.
fn at_most<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes.get(at + index).copied().unwrap_or(0))
}

/// Returns the kind, and the words behind the timestamp in the order of `struct proc_event`.
fn words(event: &ProcEvent) -> (u32, Vec<u32>) {
    let of = |kind, words: &[i32]| (kind, words.iter().map(|&word| word as u32).collect());
    match *event {
        ProcEvent::Ack { err } => (PROC_EVENT_NONE, vec![err]),
        ProcEvent::Fork { parent_pid, parent_tgid, child_pid, child_tgid } => {
            of(PROC_EVENT_FORK, &[parent_pid, parent_tgid, child_pid, child_tgid])
        }
        ProcEvent::Exec { process_pid, process_tgid } => of(PROC_EVENT_EXEC, &[process_pid, process_tgid]),
        ProcEvent::Uid { process_pid, process_tgid, ruid, euid } => {
            of(PROC_EVENT_UID, &[process_pid, process_tgid, ruid as i32, euid as i32])
        }
        ProcEvent::Gid { process_pid, process_tgid, rgid, egid } => {
            of(PROC_EVENT_GID, &[process_pid, process_tgid, rgid as i32, egid as i32])
        }
        ProcEvent::Sid { process_pid, process_tgid } => of(PROC_EVENT_SID, &[process_pid, process_tgid]),
        ProcEvent::Ptrace { process_pid, process_tgid, tracer_pid, tracer_tgid } => {
            of(PROC_EVENT_PTRACE, &[process_pid, process_tgid, tracer_pid, tracer_tgid])
        }
        ProcEvent::Comm { process_pid, process_tgid, comm } => {
            let comm: [i32; 4] = std::array::from_fn(|index| i32::from_ne_bytes(at_most(&comm, 4 * index)));
            of(PROC_EVENT_COMM, &[process_pid, process_tgid, comm[0], comm[1], comm[2], comm[3]])
        }
        ProcEvent::Coredump { process_pid, process_tgid, parent_pid, parent_tgid } => {
            of(PROC_EVENT_COREDUMP, &[process_pid, process_tgid, parent_pid, parent_tgid])
        }
        ProcEvent::Exit { process_pid, process_tgid, exit_code, exit_signal, parent_pid, parent_tgid } => {
            let (exit_code, exit_signal) = (exit_code as i32, exit_signal as i32);
            let words = [process_pid, process_tgid, exit_code, exit_signal, parent_pid, parent_tgid];
            of(PROC_EVENT_EXIT, &words)
        }
    }
}
