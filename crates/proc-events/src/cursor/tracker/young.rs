//! Young processes, which are looked at again.

use crate::cursor::host::Look;
use crate::cursor::schedule::{Phase, next_look_ns};
use crate::model::snapshot::{KnownProcess, ObservedProcess};

/// A process that is looked at again.
#[derive(Clone, Debug)]
pub(super) struct Young {
    pub(super) pid: u32,
    pub(super) phase: Phase,
    /// Time at which the phase began.
    pub(super) since_ns: u64,
    pub(super) next_ns: u64,
    /// The process as it was seen last, or before the exec that is not reported yet.
    pub(super) seen: KnownProcess,
    /// The process in an exec that is not reported yet.
    pub(super) starting: Option<Box<Look>>,
    /// True if the next look reports the exec, even if the record of the program is not read by then.
    pub(super) is_last: bool,
}

impl Young {
    pub(super) fn new(phase: Phase, observed: &ObservedProcess, now_ns: u64) -> Self {
        let wait_ns = next_look_ns(phase, 0).unwrap_or(0);
        let young = Self::due(observed.pid, phase, known(observed), now_ns);
        Self { next_ns: now_ns + wait_ns, ..young }
    }

    /// Returns a process that is to be looked at now.
    pub(super) const fn due(pid: u32, phase: Phase, seen: KnownProcess, now_ns: u64) -> Self {
        Self { pid, phase, since_ns: now_ns, next_ns: now_ns, seen, starting: None, is_last: false }
    }

    /// Returns a process that was `seen` long ago, and `observed` now.
    pub(super) fn older(seen: KnownProcess, observed: &ObservedProcess, now_ns: u64) -> Self {
        let phase = if seen.never_execed { Phase::Forked } else { Phase::Running };
        Self { seen, ..Self::new(phase, observed, now_ns) }
    }
}

pub(super) const fn known(observed: &ObservedProcess) -> KnownProcess {
    let &ObservedProcess { start_time, program, never_execed, .. } = observed;
    KnownProcess { start_time, program, never_execed }
}
