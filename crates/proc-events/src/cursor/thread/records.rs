//! Reads the kernel's records of task events, where perf events can be had, on the cursor's thread.

use std::sync::atomic::Ordering;

use rustix::event::epoll;

use super::{OPENED, Watcher, now_ns};
use crate::cursor::opens::OpenWatcher;
use crate::cursor::shared::Shared;
use crate::perf::record::TaskChange;

/// The number of records after which the priority is checked.
const RECORDS_MAX: u32 = 256;
/// The largest number of times that the rings are read before other wake-ups are handled.
const READS_MAX: usize = 16;

impl Watcher {
    /// Applies the kernel's records. The records of a process are written before its pidfd shows its exit. Returns false if the
    /// reader must know that records were lost, or that there are no more.
    pub(super) fn take_records(&mut self, shared: &Shared, tests: bool) -> bool {
        let Self { host, tracker, perf, urgency, .. } = self;
        let Some(events) = perf else { return true };
        let wants_renames = shared.wants_renames.load(Ordering::Relaxed);
        #[cfg(test)]
        let tests = tests || {
            let disables = shared.disables_perf.swap(false, Ordering::Relaxed);
            if disables {
                events.disable();
            }
            disables
        };
        let mut works = !tests || (events.self_test() && events.has_all_cpus());
        for _ in 0..READS_MAX {
            let Ok(records) = events.read() else {
                works = false;
                break;
            };
            let read_ns = now_ns();
            for (count, record) in (1u32..).zip(records) {
                if count.is_multiple_of(RECORDS_MAX) {
                    urgency.check(now_ns());
                }
                if wants_renames || !matches!(record.change, TaskChange::Renamed { .. }) {
                    tracker.on_record(host, record, read_ns);
                }
            }
            if events.take_lost_mappings() {
                tracker.on_lost_programs();
            }
            if !events.has_waiting() {
                break;
            }
        }
        let lost = events.take_lost();
        if lost > 0 {
            shared.lost.fetch_add(lost, Ordering::Relaxed);
            tracker.on_lost_records();
        }
        if !works {
            tracker.on_records_end(now_ns());
            self.stop_perf();
            shared.is_recorded.store(false, Ordering::Relaxed);
        }
        works && lost == 0
    }

    /// Goes on with the cursor alone.
    fn stop_perf(&mut self) {
        (self.perf, self.unrecorded) = (None, None);
        self.urgency.end();
        self.host.reserve(0);
        self.pace = self.pace_unrecorded;
        if self.opens.is_none() {
            let data = epoll::EventData::new_u64(OPENED);
            let watch = |opens: &OpenWatcher| {
                epoll::add(self.host.epoll(), opens.fd(), data, epoll::EventFlags::IN).is_ok()
            };
            // Without it, the cursor is read more often.
            self.opens = OpenWatcher::new().ok().filter(watch);
        }
    }
}
