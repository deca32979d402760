//! What is known of one live process, and how that is told from a later one with the same pid. Pure.

use std::sync::Arc;

use crate::model::event::{ExitStatus, ProcessInfo};
use crate::model::snapshot::ObservedProcess;
use crate::model::stream_position::StreamPosition;

/// What the leader's exit said; all unknown, if it was only seen in `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaderExit {
    /// Where in the stream; this the table sets.
    pub heard: StreamPosition,
    /// Whether the end of the process is awaited since.
    pub set_exit_watched: bool,
    /// When.
    pub timestamp_ns: u64,
    /// How.
    pub status: Option<ExitStatus>,
    /// The parent at that time.
    pub ppid: Option<u32>,
}

/// The longest time between the moment at which `/proc` shows a new program, or a process that runs one, and the kernel's
/// report of that exec.
pub(super) const SHOWN_BEFORE_NS: u64 = 50_000_000;

#[derive(Debug, Default)]
pub(super) struct Process {
    /// When its last exec was heard; 0 if none was.
    exec_ns: u64,
    /// Clock ticks since boot; 0 until it was seen in `/proc`.
    pub(super) start_time: u64,
    /// Whether that was seen since its last exec was heard: otherwise it may be that of an earlier process.
    pub(super) is_identified: bool,
    /// See [`ObservedProcess::start_ns`].
    start_ns: u64,
    /// See [`ObservedProcess::program`].
    pub(super) program: u64,
    /// See [`ObservedProcess::never_execed`].
    pub(super) never_execed: bool,
    /// See [`ObservedProcess::comm`].
    comm: [u8; 16],
    /// When its details had been read last; 0 if they were not.
    read_ns: u64,
    /// Whether it was reported. One that has never called exec is not, but by the scan at the start.
    pub(super) reported: bool,
    /// Where in the stream its last exec was heard; at the very start if none was.
    pub(super) heard: StreamPosition,
    /// Its leader has reported an exit, but the process was still running.
    pub(super) left: Option<LeaderExit>,
    pub(super) info: Option<Arc<ProcessInfo>>,
}

impl Process {
    pub(super) fn seen(observed: &ObservedProcess) -> Self {
        let mut process = Self { never_execed: observed.never_execed, ..Self::default() };
        process.update_from(observed);
        process
    }

    /// One that was not known: no exec of it was heard. If there was one, its report tells, or the next snapshot.
    pub(super) fn unheard(observed: &ObservedProcess) -> Self {
        Self::seen(&ObservedProcess { never_execed: true, ..observed.clone() })
    }

    /// Takes over what a snapshot shows of the same program. What was captured at its exec stays: it may be gone by now,
    /// or changed.
    pub(super) fn update_from(&mut self, observed: &ObservedProcess) {
        self.identify(observed);
        if observed.program != 0 {
            self.program = observed.program;
        }
        self.never_execed &= observed.never_execed;
        if observed.on_leader_exit {
            self.left.get_or_insert_default();
        }
        self.comm = observed.comm;
        self.read_ns = observed.read_ns;
        ProcessInfo::fill(&mut self.info, observed.process.as_ref());
    }

    /// Takes over a program that a snapshot shows, of whose exec no report was heard.
    pub(super) fn replace_program(&mut self, observed: &ObservedProcess) {
        (self.program, self.never_execed, self.info) = (0, false, None);
        self.update_from(observed);
    }

    /// The report is that of an exec whose program a snapshot has shown already: the kernel shows the new program before
    /// it reports the exec. `seen` is the process as it is now; 0 as its creation time if it is gone.
    pub(super) fn is_exec_of_shown(&self, exec_ns: u64, seen: &ObservedProcess) -> bool {
        let is_recent = self.start_ns.saturating_add(SHOWN_BEFORE_NS) >= self.read_ns;
        let is_same = if seen.start_time == 0 {
            is_recent
        } else if self.program != 0 && seen.program != 0 {
            self.program == seen.program
        } else {
            is_recent && self.comm == seen.comm
        };
        self.may_be_exec_of_shown(exec_ns) && is_same
    }

    /// Returns true if it has to be seen to tell.
    pub(super) const fn may_be_exec_of_shown(&self, exec_ns: u64) -> bool {
        self.exec_ns == 0
            && self.reported
            && !self.never_execed
            && self.read_ns != 0
            && exec_ns <= self.read_ns.saturating_add(SHOWN_BEFORE_NS)
    }

    /// The exec of the program that a snapshot had shown is reported.
    pub(super) fn confirm_exec(&mut self, exec_ns: u64, seen: &ObservedProcess) {
        (self.exec_ns, self.left) = (exec_ns, None);
        if seen.start_time != 0 {
            self.update_from(seen);
        }
    }

    /// Returns true if the details may be those of the program that this exec has started, as `seen` now: they were read
    /// only after it, or while it was under way.
    pub(super) const fn is_read_from(&self, exec_ns: u64, seen: &ObservedProcess) -> bool {
        let is_later = self.read_ns != 0 && self.read_ns >= exec_ns;
        self.exec_ns != 0 && (is_later || self.program != 0 && self.program == seen.program)
    }

    /// It has called exec, and was seen so, if it was looked at.
    pub(super) fn on_exec(&mut self, exec_ns: u64, heard: StreamPosition, seen: &ObservedProcess) {
        self.is_identified = false;
        self.identify(seen);
        self.exec_ns = exec_ns;
        self.heard = heard;
        self.program = seen.program;
        (self.comm, self.read_ns) = (seen.comm, seen.read_ns);
        self.never_execed = false;
        self.reported = true;
        self.left = None;
        self.info.clone_from(&seen.process);
    }

    /// Takes over when it was created, if that was seen.
    pub(super) const fn identify(&mut self, observed: &ObservedProcess) {
        if observed.start_time != 0 {
            (self.start_time, self.start_ns) = (observed.start_time, observed.start_ns);
            self.is_identified = true;
        }
    }

    /// When it was last heard of.
    fn heard_ns(&self) -> u64 {
        self.left.map_or(0, |left| left.timestamp_ns).max(self.exec_ns)
    }

    /// When it was last heard of; unknown where neither an exec nor the exit of its leader was. It was created before that.
    pub(super) fn last_heard_ns(&self) -> Option<u64> {
        Some(self.heard_ns()).filter(|heard_ns| *heard_ns != 0)
    }

    /// Whether it had begun only after this: a process is listed, and heard of, before it ends.
    pub(super) fn began_after(&self, exit_ns: u64) -> bool {
        self.heard_ns().max(self.start_ns) > exit_ns
    }

    /// Whether what was seen is a later process with the same pid: one that was created after the last report. What was
    /// there before is the one that has reported, even where an earlier one was never heard to end.
    pub(super) fn is_before(&self, observed: &ObservedProcess) -> bool {
        if self.is_identified {
            return observed.start_time > self.start_time;
        }
        self.start_time != observed.start_time && observed.start_ns > self.heard_ns()
    }

    /// Whether what was seen is an earlier process with the same pid.
    pub(super) const fn is_after(&self, observed: &ObservedProcess) -> bool {
        // The ticks, not the nanoseconds: those are made with a reading of two clocks, and vary with it.
        self.start_time > observed.start_time
    }

    /// Whether it has called exec since it was last heard of, or seen.
    pub(super) fn has_execed_as(&self, observed: &ObservedProcess) -> bool {
        if self.never_execed || observed.never_execed {
            return !observed.never_execed;
        }
        if self.program != 0 && observed.program != 0 {
            return self.program != observed.program;
        }
        let exe = |info: &Option<Arc<ProcessInfo>>| info.as_ref().and_then(|info| info.exe.clone());
        match (exe(&self.info), exe(&observed.process)) {
            (Some(before), Some(now)) => before != now,
            _ => false,
        }
    }

    /// Since its last exec. Clocks of different CPUs may disagree by a little.
    pub(super) fn duration(&self, now_ns: u64) -> Option<u64> {
        (self.exec_ns != 0).then(|| now_ns.saturating_sub(self.exec_ns))
    }
}
