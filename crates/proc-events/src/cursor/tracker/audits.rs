//! Lists of all processes: the first one, and audits, which show what was missed.

use super::young::{Young, known};
use super::{CursorTracker, End, RECENT_NS};
use crate::cursor::host::{Look, PidHost, PidOwner};
use crate::cursor::schedule::Phase;

impl<H> CursorTracker<H> {
    /// Handles a list of all processes. It must be later than the `last` id that was given.
    pub fn on_list(&mut self, host: &mut impl PidHost<Pidfd = H>, pids: &[u32], is_first: bool, now_ns: u64) {
        self.begin_list();
        for &pid in pids {
            self.on_listed(host, pid, is_first, now_ns);
        }
        self.end_list(host, pids);
    }

    /// Begins to handle a list of all processes.
    pub const fn begin_list(&mut self) {
        self.is_list_limited = false;
    }

    /// Watches a listed process, so that its exit is reported. A process that is not known, and was not created before the first
    /// list, is reported as new. A known one is looked at, because it may have called exec since.
    pub fn on_listed(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, is_first: bool, now_ns: u64) {
        if self.processes.contains_key(&pid) {
            return self.look_for_late_exec(host, pid, now_ns);
        }
        match host.open(pid) {
            PidOwner::Process(pidfd) if is_first => self.on_running_process(host, pid, pidfd, now_ns),
            PidOwner::Process(pidfd) => self.on_new_process(host, pid, pidfd, true, now_ns),
            PidOwner::Unknown => self.set_limited(),
            PidOwner::Thread | PidOwner::Free => {}
        }
    }

    /// Ends a list, and forgets the zombies that are not in it any more. Kernels before 6.15 do not show that by the pidfd.
    /// `listed` is in ascending order.
    pub fn end_list(&mut self, host: &mut impl PidHost<Pidfd = H>, listed: &[u32]) {
        self.is_limited = self.is_list_limited;
        self.list_wait_ns = self.record_ns;
        let gone = self
            .processes
            .extract_if(|pid, process| process.end == End::Reported && listed.binary_search(pid).is_err());
        for (_, process) in gone {
            host.close(process.pidfd);
        }
    }

    /// Watches a process of the first list, which subscribers get from a snapshot.
    fn on_running_process(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, pidfd: H, now_ns: u64) {
        let Some(Look { observed, is_zombie, .. }) = host.look(pid) else {
            host.close(pidfd);
            return;
        };
        // The first thread of a process shows as a zombie while another one calls exec.
        let has_exited = is_zombie && host.has_exited(&pidfd);
        let is_tracked = self.track(host, pid, pidfd, Some(&observed), now_ns);
        if has_exited && let Some(process) = self.processes.get_mut(&pid) {
            // Its exit was before the start.
            process.end = End::Reported;
        }
        if !is_tracked || is_zombie || observed.is_kernel_thread {
            return;
        }
        let phase = if observed.never_execed { Phase::Forked } else { Phase::Running };
        if observed.never_execed || observed.start_ns + RECENT_NS > now_ns {
            self.young.push(Young::new(phase, &observed, now_ns));
        } else if let Some(process) = self.processes.get_mut(&pid) {
            process.seen = Some(known(&observed));
        }
    }

    /// Looks at a process that is not looked at otherwise, and reports an exec.
    fn look_for_late_exec(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, now_ns: u64) {
        // The kernel's record shows it.
        if self.recorded.contains_key(&pid) {
            return;
        }
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.end == End::None) else {
            return;
        };
        let Some(seen) = &mut process.seen else { return };
        // The pidfd shows the exit of a process that is gone.
        let Some(look) = host.look(pid) else { return };
        let observed = &look.observed;
        if observed.start_time != seen.start_time || look.is_zombie {
            return;
        }
        if observed.never_execed || seen.is(observed) {
            if observed.program != 0 {
                seen.program = observed.program;
            }
            return;
        }
        let young = Young::older(*seen, observed, now_ns);
        process.seen = None;
        if self.record_ns > 0 {
            // Its record is not read yet, unless it is lost.
            self.young.push(Young { next_ns: now_ns + self.record_ns, ..young });
            return;
        }
        self.follow(host, young, look, now_ns);
    }
}
