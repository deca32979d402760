//! Looks at the ids that the kernel has given out.

use super::CursorTracker;
use crate::cursor::host::{PidHost, PidOwner};

/// The largest number of ids that are looked at in one go. If more were given out, a list of all processes is cheaper.
pub(super) const NEW_IDS_MAX: u64 = 65_536;
/// The number of last ids that are looked at once more if they belong to no process. The kernel gives out an id a little
/// before the process can be found by it.
const RETRIED_IDS: u64 = 64;
/// Time after which a process can surely be found by its id, unless the kernel preempts its creation.
const RETRY_NS: u64 = 200_000;

impl<H> CursorTracker<H> {
    /// Looks at the ids that were given out since the last call, up to `last`. Returns true if there was one that no record
    /// has shown.
    pub fn on_cursor(&mut self, host: &mut impl PidHost<Pidfd = H>, last: u32, now_ns: u64) -> bool {
        for (pid, until_ns) in std::mem::take(&mut self.retried) {
            // A record has shown it meanwhile.
            if self.recorded_ids.remove(&pid) {
                continue;
            }
            self.look_at_id(host, pid, until_ns, now_ns);
        }
        let first = std::mem::replace(&mut self.last, last);
        if last == first {
            return false;
        }
        // After the largest id the kernel goes on with the smallest free one.
        let end = if last > first { u64::from(last) + 1 } else { u64::from(host.pid_max()) };
        let before_wrap = u64::from(first) + 1..end;
        let after_wrap = 1..if last > first { 1 } else { u64::from(last) + 1 };
        let count = before_wrap.end.saturating_sub(before_wrap.start) + (after_wrap.end - 1);
        if count > NEW_IDS_MAX {
            (self.needs_list, self.list_wait_ns) = (true, 0);
            return true;
        }
        if last < first {
            // Ids that were recorded after the cursor had passed them belong to others now.
            self.recorded_ids.retain(|&id| id > first || id <= last);
        }
        let mut left = count;
        let mut is_new = false;
        for pid in before_wrap.chain(after_wrap) {
            let until_ns = if left <= RETRIED_IDS { now_ns + RETRY_NS } else { 0 };
            if !self.recorded_ids.remove(&(pid as u32)) {
                self.look_at_id(host, pid as u32, until_ns, now_ns);
                is_new = true;
            }
            left -= 1;
        }
        is_new
    }

    /// Looks at a process that a list has shown for the first time.
    pub fn on_new_pid(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, now_ns: u64) {
        self.look_at_id(host, pid, 0, now_ns);
    }

    /// Looks at an id. If it belongs to no process, it is looked at again until `until_ns`.
    fn look_at_id(&mut self, host: &mut impl PidHost<Pidfd = H>, pid: u32, until_ns: u64, now_ns: u64) {
        if let Some(known) = self.processes.get(&pid) {
            if !known.has_left(host, pid) {
                return;
            }
            let status = host.reaped_status(&known.pidfd);
            // The kernel has given the id out again. The exit of the process that had it before comes first.
            self.finish(host, pid, status, true, now_ns);
        }
        match host.open(pid) {
            PidOwner::Process(pidfd) => self.on_new_process(host, pid, pidfd, false, now_ns),
            PidOwner::Thread | PidOwner::Free if now_ns < until_ns => self.retried.push((pid, until_ns)),
            PidOwner::Free => {
                self.unseen += 1;
                self.count_end(0);
            }
            PidOwner::Unknown => self.set_limited(),
            PidOwner::Thread => {}
        }
    }
}
