//! A machine that a test changes step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use proc_events::connector::wire::{self, what};
use proc_events::model::snapshot::ObservedProcess;
use proc_events::{Fields, ProcessInfo};
use rustix::io::Errno;

use crate::backend::{Call, FakeKernel, FakeMachine};

/// A second, in nanoseconds.
pub(crate) const S: u64 = 1_000_000_000;
/// A millisecond, in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
/// The largest number of reads in a test, so that an endless loop fails.
const READS_MAX: u64 = 1_000_000;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(crate) struct ScriptedMachine {
    pub(crate) kernel: FakeKernel,
    seq: u32,
    /// The processes that `/proc` shows.
    pub(crate) shown: BTreeMap<u32, ObservedProcess>,
    pub(crate) has_no_pidfds: bool,
    /// No descriptor is left for a pidfd.
    pub(crate) is_out_of_pidfds: bool,
    /// No descriptor is left for a file.
    pub(crate) is_out_of_files: bool,
    pub(crate) is_out_of_watches: bool,
    /// Runs once, when the pipeline next asks whether a process runs.
    pub(crate) on_liveness: Option<fn(&mut Self)>,
    /// Execs are sent faster than the pipeline reads them.
    pub(crate) is_endless: bool,
    /// The next read of the socket fails.
    pub(crate) next_read_fails: bool,
    /// The number of reads of the socket.
    pub(crate) reads: u64,
}

impl ScriptedMachine {
    fn send(&mut self, kind: u32, at_ns: u64, words: &[u32]) {
        self.seq += 1;
        self.kernel.send(wire::datagram(kind, self.seq, at_ns, words));
    }

    pub(crate) fn exec(&mut self, pid: u32, at_ns: u64) {
        self.send(what::PROC_EVENT_EXEC, at_ns, &[pid, pid]);
    }

    /// Renames a thread.
    pub(crate) fn comm(&mut self, tid: u32, pid: u32, at_ns: u64, comm: &str) {
        let mut padded = [0; 16];
        padded[..comm.len()].copy_from_slice(comm.as_bytes());
        let text = padded.as_chunks().0.iter().copied().map(u32::from_ne_bytes);
        let words: Vec<u32> = [tid, pid].into_iter().chain(text).collect();
        self.send(what::PROC_EVENT_COMM, at_ns, &words);
    }

    pub(crate) fn fork(&mut self, pid: u32, at_ns: u64) {
        self.send(what::PROC_EVENT_FORK, at_ns, &[1, 1, pid, pid]);
    }

    pub(crate) fn exit(&mut self, pid: u32, at_ns: u64, code: u32) {
        self.send(what::PROC_EVENT_EXIT, at_ns, &[pid, pid, code << 8, 17, 1, 1]);
    }

    /// Reports the exit of a thread.
    pub(crate) fn exit_thread(&mut self, tid: u32, pid: u32, at_ns: u64, code: u32) {
        self.send(what::PROC_EVENT_EXIT, at_ns, &[tid, pid, code << 8, u32::MAX, 0, 0]);
    }

    /// Makes `/proc` show a process. The number of its program is its name, too.
    pub(crate) fn show(&mut self, pid: u32, start_ns: u64, program: u64) -> &mut ObservedProcess {
        let info = ProcessInfo { name: Some(program.to_string().into()), ..ProcessInfo::default() };
        let observed = ObservedProcess {
            pid,
            start_time: start_ns / 10_000_000,
            start_ns,
            program,
            process: Some(Arc::new(info)),
            ..ObservedProcess::default()
        };
        self.shown.insert(pid, observed);
        self.shown.get_mut(&pid).unwrap()
    }

    pub(crate) fn is_watched(&self, pid: u32) -> bool {
        self.kernel.watched.contains_key(&pid)
    }
}

impl FakeMachine for ScriptedMachine {
    fn kernel(&mut self) -> &mut FakeKernel {
        &mut self.kernel
    }

    fn observed(&self, pid: u32, _: Fields) -> Option<ObservedProcess> {
        self.shown.get(&pid).cloned()
    }

    fn supports_pidfd(&self) -> bool {
        !self.has_no_pidfds
    }

    fn fault(&mut self, call: Call) -> Option<Errno> {
        match call {
            Call::Receive => {
                self.reads += 1;
                if std::mem::take(&mut self.next_read_fails) {
                    return Some(Errno::NOMEM);
                }
                if self.is_endless {
                    assert!(self.reads < READS_MAX, "it never stops reading");
                    self.exec(7, 10 * S + self.reads * MS);
                }
                None
            }
            Call::Liveness => {
                if let Some(on_liveness) = self.on_liveness.take() {
                    on_liveness(self);
                }
                (self.has_no_pidfds || self.is_out_of_pidfds).then_some(Errno::MFILE)
            }
            Call::WatchExit => self.is_out_of_watches.then_some(Errno::NOSPC),
            Call::Capture | Call::Observe => self.is_out_of_files.then_some(Errno::MFILE),
        }
    }
}
