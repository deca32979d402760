//! Looks again at young processes, and reports their execs.

use super::CursorTracker;
use super::recorded::lacks_program;
use super::young::{Young, known};
use crate::cursor::host::{Details, Look, PidHost};
use crate::cursor::schedule::{ARGUMENTS_NS, EXEC_LATE_NS, EXEC_SOON_NS, MID_EXEC_NS, Phase, next_look_ns};
use crate::model::report::Change;

impl<H> CursorTracker<H> {
    /// Returns true if a process has been forked a moment ago, and has not called exec.
    pub fn awaits_exec(&self, now_ns: u64) -> bool {
        let is_soon = |young: &Young| now_ns.saturating_sub(young.since_ns) < EXEC_SOON_NS;
        self.young.iter().any(|young| young.phase != Phase::Running && is_soon(young))
    }

    /// Looks at the processes that are about to call exec, because a program was opened. `wait_ns` is the time until then: 0 if
    /// the program has begun to run.
    pub fn on_program_opened(&mut self, now_ns: u64, wait_ns: u64) {
        let may_exec = |young: &&mut Young| {
            young.phase != Phase::Running && now_ns.saturating_sub(young.since_ns) < EXEC_LATE_NS
        };
        for young in self.young.iter_mut().filter(may_exec) {
            young.next_ns = young.next_ns.min(now_ns + wait_ns);
        }
    }

    /// Looks at the processes whose time has come, and gives up the statuses that were awaited for too long.
    pub fn look_at_due(&mut self, host: &mut impl PidHost<Pidfd = H>, now_ns: u64) {
        let mut at = 0;
        while at < self.young.len() {
            if self.young[at].next_ns > now_ns {
                at += 1;
                continue;
            }
            // A look puts the process back at the end, with a later time.
            let mut young = self.young.swap_remove(at);
            match host.look(young.pid) {
                Some(look) => self.follow(host, young, look, now_ns),
                // All its records are written by now. The next look comes after the next read of them.
                None if !young.is_last && self.awaits_program(&young) => {
                    (young.is_last, young.next_ns) = (true, now_ns + ARGUMENTS_NS);
                    self.young.push(young);
                }
                // A process that is gone is reported by its pidfd, and a hidden one not at all.
                None => self.report_start(young, now_ns),
            }
        }
        while let Some(at) = self.dying.iter().position(|&(_, until_ns)| until_ns <= now_ns) {
            let (pid, _) = self.dying.swap_remove(at);
            let status = self.processes.get(&pid).and_then(|known| host.reaped_status(&known.pidfd));
            self.finish(host, pid, status, status.is_some(), now_ns);
        }
        self.forget_reaped(host, now_ns);
        self.check_leaving(host, now_ns);
    }

    /// Reports an exec, if `look` shows one, and keeps the process if it is to be looked at again.
    pub(super) fn follow(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        mut young: Young,
        look: Look,
        now_ns: u64,
    ) {
        let observed = &look.observed;
        if observed.start_time != young.seen.start_time {
            // Another process has the pid already. The cursor or a list shows it.
            return self.report_start(young, now_ns);
        }
        let is_zombie = look.is_zombie;
        if young.phase == Phase::Starting || !observed.never_execed && !young.seen.is(observed) {
            if young.phase != Phase::Starting {
                (young.phase, young.since_ns, young.is_last) = (Phase::Starting, now_ns, false);
            }
            let is_recorded = self.recorded.contains_key(&young.pid);
            let patience_ns = if is_recorded && look.is_mid_exec { MID_EXEC_NS } else { ARGUMENTS_NS };
            let is_late = now_ns >= young.since_ns + patience_ns;
            // The record of the program is written by then, but it may not be read yet. The next look comes after that.
            let has_waited = is_late && (young.is_last || !is_recorded);
            young.is_last |= is_late;
            let is_final = is_zombie && !is_recorded || has_waited;
            // A record shows that the program is the new one already.
            let is_certain = young.starting.is_none() && is_recorded;
            let may_read = is_late || is_final || !look.is_mid_exec || is_certain;
            let mut details = may_read.then(|| host.details(&look));
            // A record shows the program, too, unless it could be read.
            let is_known = |details: &Details| !is_recorded || !lacks_program(&details.observed);
            let is_done = |details: &mut Details| {
                is_final || is_known(details) && (is_late || details.is_complete && !look.is_mid_exec)
            };
            if let Some(Details { observed, .. }) = details.take_if(is_done) {
                young.starting = None;
                (young.phase, young.since_ns, young.seen) = (Phase::Running, now_ns, known(&observed));
                self.report(young.pid, now_ns, Change::Execed(Box::new(observed)));
            } else {
                // If the process is gone at the next look, this is all that is known.
                let read = details.map(|Details { observed, .. }| Look { observed, ..look.clone() });
                let before = young.starting.take().filter(|_| read.is_none());
                young.starting = Some(before.unwrap_or_else(|| Box::new(read.unwrap_or(look))));
            }
        } else if observed.program != 0 {
            young.seen.program = observed.program;
        }
        // The next exec has a record, too.
        let is_recorded = self.recorded.contains_key(&young.pid);
        let is_last = match young.phase {
            Phase::Starting => is_zombie && !is_recorded,
            Phase::Running => is_zombie || is_recorded,
            Phase::Forked => is_zombie,
        };
        if let Some(wait_ns) = next_look_ns(young.phase, now_ns - young.since_ns).filter(|_| !is_last) {
            young.next_ns = now_ns + wait_ns;
            self.young.push(young);
        } else if !is_zombie
            && !is_recorded
            && let Some(process) = self.processes.get_mut(&young.pid)
        {
            process.seen = Some(young.seen);
        }
    }

    /// Reports the exec of a process that was seen in it, and is not to be looked at again.
    pub(super) fn report_start(&mut self, young: Young, now_ns: u64) {
        if let Some(look) = young.starting {
            self.report(young.pid, now_ns, Change::Execed(Box::new(look.observed)));
        }
    }
}
