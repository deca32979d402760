//! A process as the kernel's records show it, and its exec.

use std::sync::Arc;

use crate::model::event::ProcessInfo;
use crate::model::interest::Field;
use crate::model::snapshot::{KnownProcess, ObservedProcess};
use crate::procfs::{comm_text, name, parse};

/// A process that the records show.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The number of its threads; 0: unknown, because it ran before.
    pub(super) threads: u32,
    pub(super) ppid: Option<u32>,
    /// The process as it was seen last.
    pub(super) seen: KnownProcess,
    /// The exec that is not reported yet.
    pub(super) exec: Option<RecordedExec>,
    /// Time of the last exec, in nanoseconds; 0: none was recorded.
    pub(super) execed_ns: u64,
    /// Time at which a thread exited last, in nanoseconds; 0: none has.
    pub(super) exited_ns: u64,
}

/// A recorded exec.
#[derive(Debug)]
pub(super) struct RecordedExec {
    pub(super) time_ns: u64,
    pub(super) comm: [u8; 16],
    /// The path of the program; empty if it is unknown.
    pub(super) exe: Box<[u8]>,
    /// True if the record of the program was lost.
    pub(super) has_lost_exe: bool,
}

impl Recorded {
    pub(super) const fn new(threads: u32, ppid: Option<u32>, seen: KnownProcess) -> Self {
        Self { threads, ppid, seen, exec: None, execed_ns: 0, exited_ns: 0 }
    }
}

/// Returns true if the path of the program is requested, and could not be read.
pub(super) fn lacks_program(observed: &ObservedProcess) -> bool {
    observed.process.as_ref().is_some_and(|info| info.requested.has(Field::Exe) && info.exe.is_none())
}

/// Adds the details that the records of an exec show, and that could not be read.
pub(super) fn complete(observed: &mut ObservedProcess, exec: &RecordedExec) {
    let ppid = observed.ppid;
    let Some(info) = &mut observed.process else { return };
    let is_missing = |field, is_known: bool| !is_known && info.requested.has(field);
    let needs = [
        is_missing(Field::Name, info.name.is_some()),
        is_missing(Field::Comm, info.comm.is_some()),
        is_missing(Field::Exe, info.exe.is_some()) && !exec.exe.is_empty(),
        is_missing(Field::Ppid, info.ppid.is_some()) && ppid != 0,
    ];
    if needs == [false; 4] {
        return;
    }
    let info: &mut ProcessInfo = Arc::make_mut(info);
    let [needs_name, needs_comm, needs_exe, needs_ppid] = needs;
    let comm = exec.comm.split(|&byte| byte == 0).next().unwrap_or_default();
    if needs_name {
        info.name = Some(name::at_exec(comm, &[], &exec.exe));
    }
    if needs_comm {
        info.comm = Some(comm_text(&exec.comm));
    }
    if needs_exe {
        info.exe = Some(parse::readable(&exec.exe));
    }
    if needs_ppid {
        info.ppid = Some(ppid);
    }
}
