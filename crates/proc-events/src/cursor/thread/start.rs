//! Opens the files, rings and watches of the thread.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll;

use super::urgency::Urgency;
use super::{OPENED, RECORD_SURELY_NS, RECORDED, WOKEN, Watcher, now_ns, wait};
use crate::connector::namespace::clock_offset_ns;
use crate::cursor::audit::Audit;
use crate::cursor::linux::LinuxPids;
use crate::cursor::opens::OpenWatcher;
use crate::cursor::pace::Pace;
use crate::cursor::rest::Rest;
use crate::cursor::shared::{CursorOptions, Shared};
use crate::cursor::tracker::CursorTracker;
use crate::model::effort::Effort;
use crate::perf::{Coverage, PerfEvents};
use crate::procfs::Procfs;
use crate::stats::Stats;
use crate::sys::scheduling::ThreadScheduling;

/// Timer slack, in nanoseconds. The default of 50,000 would double the time between two looks.
const TIMER_SLACK_NS: u64 = 1_000;

impl Watcher {
    pub(super) fn start(
        options: CursorOptions,
        shared: &Shared,
        stats: &Arc<Stats>,
        woken: OwnedFd,
        has_own_table: bool,
    ) -> io::Result<Self> {
        // Without it, looks are a little later.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        let CursorOptions { proc_root, max_argv_bytes, effort, interval, raise_priority, uses_perf } =
            options;
        let procfs = Procfs::open(&proc_root).map_err(io::Error::other)?.with(max_argv_bytes, stats);
        let procfs = Arc::new(procfs);
        let mut host = {
            let (fields, state) = (Arc::clone(&shared.fields), Arc::clone(&shared.reading));
            LinuxPids::new(&procfs, fields, state, has_own_table)?
        };
        // Before the list, so that each process is in the list or has a record. The records cost a wake-up each.
        let perf = (uses_perf && effort != Effort::Low && !host.is_foreign())
            .then(|| PerfEvents::open(&procfs, clock_offset_ns(&proc_root), has_own_table).ok())
            .flatten();
        host.reserve(perf.as_ref().map_or(0, PerfEvents::descriptors));
        let scheduling = raise_priority.then(ThreadScheduling::of_this_thread);
        let urgency = match scheduling {
            Some(scheduling) if perf.is_some() => Urgency::raised(scheduling),
            Some(mut scheduling) => {
                // Real-time priority would make it look while a new program still starts.
                scheduling.shorten();
                Urgency::default()
            }
            None => Urgency::default(),
        };
        let last = host.last_pid().unwrap_or_default();
        let rest = Rest::new(effort, interval);
        let mut tracker = CursorTracker::new(last);
        tracker.set_short_ns(rest.short_ns());
        if !host.is_foreign() {
            let pids = procfs.pids().map_err(io::Error::other)?;
            tracker.on_list(&mut host, &pids, true, now_ns());
        }
        let shows_all = perf.as_ref().is_some_and(|perf| perf.coverage() == Coverage::All);
        tracker.set_record_ns(if shows_all { RECORD_SURELY_NS } else { 0 });
        // The files of other namespaces are not those of this one.
        let opens = if shows_all || host.is_foreign() { None } else { OpenWatcher::new().ok() };
        let watch = |fd: &OwnedFd, data| {
            epoll::add(host.epoll(), fd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)
        };
        watch(&woken, WOKEN)?;
        if let Some(opens) = &opens {
            watch(opens.fd(), OPENED)?;
        }
        for ring in perf.iter().flat_map(PerfEvents::fds) {
            epoll::add(host.epoll(), ring, epoll::EventData::new_u64(RECORDED), epoll::EventFlags::IN)?;
        }
        let pace_unrecorded = Pace::new(effort, interval);
        let pace = if shows_all { Pace::audit(interval) } else { pace_unrecorded };
        let (read_ns, unrecorded) = (now_ns(), None);
        let audit = Audit::new(read_ns);
        Ok(Self {
            host,
            tracker,
            opens,
            perf,
            pace,
            pace_unrecorded,
            rest,
            audit,
            woken,
            looked_ns: read_ns,
            turn: wait::Turn::default(),
            urgency,
            read_ns,
            unrecorded,
        })
    }
}
