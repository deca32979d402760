//! The exits of known processes: as zombies, and when their parents have reaped them.

use super::young::Young;
use super::{CursorTracker, End, Tracked};
use crate::cursor::host::PidHost;
use crate::model::event::ExitStatus;
use crate::model::report::Change;

/// Time that a parent has to reap a zombie whose status this user may not see. The exit is then reported without it.
const REAP_TIMEOUT_NS: u64 = 20_000_000;

impl<H> CursorTracker<H> {
    /// Handles the pidfd of a process that has become readable: the process has exited, or its parent has reaped it.
    pub fn on_exit(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, generation: u32, now_ns: u64) {
        let known = self.processes.get(&pid).filter(|known| known.generation == generation);
        let Some(known) = known else { return };
        let (start_time, end) = (known.start_time, known.end);
        let reaped = host.reaped_status(&known.pidfd);
        if reaped.is_some() {
            self.zombies.on_reaping_told();
        }
        // A zombie still shows if it has called exec, and to its user the status.
        let look = if reaped.is_none() { host.look(pid) } else { None };
        let look = look.filter(|look| look.observed.start_time == start_time);
        let is_reaped = look.is_none();
        let status = reaped.or(look.as_ref().and_then(|look| look.status));
        let at = self.young.iter().position(|young| young.pid == pid);
        // An audit would show the exec of an older process.
        let unaudited = || {
            Some((known.seen?, look.as_ref()?)).map(|(seen, look)| Young::older(seen, &look.observed, now_ns))
        };
        if let Some(young) = at.map(|at| self.young.swap_remove(at)).or_else(unaudited) {
            match look {
                Some(look) => self.follow(host, young, look, now_ns),
                None => self.report_start(young, now_ns),
            }
        }
        if status.is_some() || end == End::Reported || is_reaped && !host.keeps_statuses() {
            self.finish(host, pid, status, is_reaped, now_ns);
        } else if let Some(known) = self.processes.get_mut(&pid).filter(|_| end == End::None) {
            known.end = End::Awaited;
            self.dying.push((pid, now_ns + REAP_TIMEOUT_NS));
        }
    }

    /// Reports the exit of a known process, unless that is done. Forgets the process if its parent has reaped it.
    pub(super) fn finish(
        &mut self,
        host: &mut impl PidHost<Pidfd = H>,
        pid: u32,
        status: Option<ExitStatus>,
        is_reaped: bool,
        now_ns: u64,
    ) {
        let Some(known) = self.processes.get_mut(&pid) else { return };
        let generation = known.generation;
        let end = std::mem::replace(&mut known.end, End::Reported);
        if end == End::Awaited {
            self.dying.retain(|&(dying, _)| dying != pid);
        }
        if end != End::Reported {
            let (start_time, ppid, noticed_ns) = (known.start_time, known.ppid, known.noticed_ns);
            self.count_end(now_ns.saturating_sub(noticed_ns));
            self.stop_looking(pid, now_ns);
            self.report(pid, now_ns, Change::Exited { start_time, status, ppid });
        }
        if is_reaped {
            self.forget(host, pid);
        } else if end != End::Reported {
            self.zombies.add(pid, generation, now_ns);
        }
    }

    /// Forgets the zombies that their parents have reaped.
    pub(super) fn forget_reaped(&mut self, host: &mut impl PidHost<Pidfd = H>, now_ns: u64) {
        while let Some(zombie) = self.zombies.take_due(now_ns) {
            let is_it = |known: &&Tracked<H>| known.generation == zombie.generation;
            let Some(known) = self.processes.get(&zombie.pid).filter(is_it) else { continue };
            if known.is_gone(host, zombie.pid) {
                self.forget(host, zombie.pid);
            } else {
                self.zombies.add_again(zombie, now_ns);
            }
        }
    }

    fn forget(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32) {
        if let Some(Tracked { pidfd, .. }) = self.processes.remove(&pid) {
            host.close(pidfd);
        }
    }
}
