//! Receives datagrams, and applies their messages to the process table.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use neli::connector::ProcEvent;
use rustix::io::Errno;

use super::Pipeline;
use crate::connector::source::DatagramSource;
use crate::connector::wire::{self, Message, Reject, known_pid};
use crate::error::{Error, ErrorCode};
use crate::model::event::{ExitStatus, ProcessInfo};
use crate::model::interest::{EventType, Field, Fields, Interest};
use crate::model::snapshot::ObservedProcess;
use crate::process::inspector::{Exec, ProcessInspector};
use crate::process::table::LeaderExit;

/// Datagrams that [`Pipeline::catch_up`] handles at most. Bounds a flood of datagrams that the kernel did not send, and that
/// have no time.
const CATCH_UP_MAX: usize = 1 << 20;

impl<D: DatagramSource, P: ProcessInspector> Pipeline<'_, D, P> {
    /// Handles datagrams until the socket is drained, `budget` of them are handled, or an interest change is to be applied.
    ///
    /// # Errors
    /// [`ErrorCode::SourceFailed`]. Events of the datagrams before the failure are dispatched.
    pub fn drain(&mut self, budget: usize) -> Result<(), Error> {
        self.read(budget, u64::MAX)
    }

    /// Handles the datagrams that were sent before `now_ns`, however many more arrive.
    ///
    /// # Errors
    /// See [`Pipeline::drain`].
    pub fn catch_up(&mut self, now_ns: u64) -> Result<(), Error> {
        self.read(CATCH_UP_MAX, now_ns)
    }

    /// Returns the time of the last message: nanoseconds on `CLOCK_MONOTONIC`.
    pub const fn last_ns(&self) -> u64 {
        self.last_message.timestamp_ns
    }

    fn read(&mut self, budget: usize, until_ns: u64) -> Result<(), Error> {
        let read = self.receive(budget, until_ns);
        // After a loss, costs cannot be matched with the exits that are left.
        self.count_drops();
        self.dispatch(!matches!(read, Ok(false)) || !self.exited_watches.is_empty());
        self.answer_exited_watches(self.last_ns());
        let is_drained = read?;
        if is_drained {
            self.undrained_bytes = 0;
        }
        Ok(())
    }

    /// Counts what the socket has dropped. At no time since it was drained last has its buffer held more than was read since.
    fn count_drops(&mut self) {
        let source = self.source.as_ref().filter(|source| source.may_have_dropped(self.undrained_bytes));
        if let Some(Ok(drops)) = source.map(DatagramSource::drops) {
            let lost = self.drops.observe(drops);
            self.count_lost(lost.into());
        }
    }

    pub(super) fn answer_exited_watches(&mut self, now_ns: u64) {
        for requester in std::mem::take(&mut self.exited_watches) {
            self.answer_exited(requester, now_ns);
        }
    }

    pub(super) fn count_lost(&mut self, lost: u64) {
        self.stats.lost_socket.add(lost);
        self.resync.lost(lost);
        if let Some(usage) = self.usage.as_mut().filter(|_| lost > 0) {
            usage.on_loss();
        }
    }

    /// Returns true if the socket is drained.
    fn receive(&mut self, budget: usize, until_ns: u64) -> Result<bool, Error> {
        let mut is_drained = false;
        let mut handled = 0;
        while handled < budget {
            let Some(source) = &self.source else { break };
            if until_ns == u64::MAX
                && self.interest_changes.load(Ordering::Acquire) > self.applied_interest_changes
            {
                return Ok(false);
            }
            if let Some(datagram) = self.batch.pop() {
                handled += 1;
                if let Some(bytes) = datagram.message() {
                    self.handle_datagram(bytes);
                } else {
                    self.undrained_bytes += datagram.foreign_memory();
                    self.stats.rejected.count();
                }
                // The kernel takes the time of an event before it queues the datagram. All that was queued before
                // `until_ns` is therefore ahead of this datagram.
                if self.last_ns() >= until_ns && !self.table.may_retract_after(until_ns, self.last_ns()) {
                    return Ok(false);
                }
            } else if is_drained && !self.needs_receive {
                source.exhausted();
                return Ok(true);
            } else {
                self.needs_receive = false;
                match source.receive(&mut self.batch) {
                    Ok(drained) => {
                        self.undrained_bytes += self.batch.kernel_memory();
                        is_drained = drained;
                    }
                    Err(Errno::INTR) => {}
                    // The socket overflowed. Without a drop counter, the loss is at least one datagram.
                    Err(Errno::NOBUFS) => {
                        if source.drops().is_err() {
                            self.count_lost(1);
                        }
                    }
                    Err(errno) => {
                        return Err(Error::from_errno(
                            ErrorCode::SourceFailed,
                            "recvmmsg",
                            "on the netlink socket",
                            errno,
                        ));
                    }
                }
            }
        }
        Ok(false)
    }

    fn handle_datagram(&mut self, bytes: &[u8]) {
        self.activity.set();
        let stats = self.stats;
        let mut message = match wire::parse(bytes) {
            Ok(message) => message,
            Err(reject) => {
                match reject {
                    Reject::Malformed => stats.rejected.count(),
                    Reject::UnknownKind(_) => stats.ignored.count(),
                }
                return;
            }
        };
        message.timestamp_ns = message.timestamp_ns.saturating_add_signed(self.clock_offset_ns);
        let (id, timestamp_ns) = (message.id(), message.timestamp_ns);
        // A duplicate is reported once.
        if std::mem::replace(&mut self.last_message, id) == id {
            stats.ignored.count();
            return;
        }
        match message.event {
            ProcEvent::Ack { .. } => return,
            ProcEvent::Comm { process_pid, process_tgid, .. }
                if !self.needs_comm(process_pid == process_tgid) =>
            {
                return;
            }
            _ => stats.events.count(),
        }
        match message.event {
            ProcEvent::Exec { process_tgid, .. } => self.handle_exec(process_tgid as u32, &message),
            ProcEvent::Exit { process_pid, process_tgid, exit_code, .. } if process_pid != process_tgid => {
                self.handle_thread_exit(process_tgid as u32, ExitStatus(exit_code));
            }
            ProcEvent::Exit { process_tgid, exit_code, parent_tgid, .. } => {
                let status = ExitStatus(exit_code);
                self.handle_exit(process_tgid as u32, status, known_pid(parent_tgid), &message);
            }
            ProcEvent::Fork { parent_tgid, child_pid, child_tgid, .. } if child_pid == child_tgid => {
                self.ancestry.on_fork(child_tgid as u32, parent_tgid as u32, timestamp_ns);
                let created = self.read_created(child_tgid as u32, timestamp_ns);
                self.change_table(|table, sink| table.apply(&message, created, sink));
            }
            ProcEvent::Comm { process_pid, process_tgid, .. } if process_pid == process_tgid => {
                self.handle_rename(process_tgid as u32, &message);
            }
            _ => self.change_table(|table, sink| table.apply(&message, None, sink)),
        }
        let ignored = self.table.take_ignored();
        if ignored > 0 {
            stats.ignored.add(ignored);
        }
    }

    /// Returns true if a comm event is subscribed, or changes a captured comm.
    pub(super) const fn needs_comm(&self, is_main_thread: bool) -> bool {
        let Interest { types, fields, .. } = self.interest;
        types.has(EventType::Comm) || is_main_thread && fields.has(Field::Comm)
    }

    /// Reads the creation time of a new process, if a subscriber of forks captures it. The other details are those of its
    /// parent's program, and are not read.
    fn read_created(&mut self, pid: u32, fork_ns: u64) -> Option<ObservedProcess> {
        let Interest { types, fields, .. } = self.interest;
        if !types.has(EventType::Fork) || !fields.has(Field::StartTime) {
            return None;
        }
        let observed = self.processes.read_reported(pid, Fields::NONE, fork_ns);
        let start_time = Some(observed.start_time).filter(|&start_time| start_time != 0);
        let info = ProcessInfo { requested: fields, start_time, ..ProcessInfo::default() };
        Some(ObservedProcess { process: Some(Arc::new(info)), ..observed })
    }

    fn handle_rename(&mut self, pid: u32, message: &Message) {
        self.renames += 1;
        let fields = self.interest.fields.intersection(Fields::NONE.with(Field::Argv));
        if self.interest.recapture
            && !fields.is_empty()
            && self.table.needs_recapture(pid, message.timestamp_ns)
        {
            let observed = self.processes.read_reported(pid, fields, message.timestamp_ns);
            self.table.recapture(pid, &observed);
            self.needs_receive = true;
        }
        self.change_table(|table, sink| table.apply(message, None, sink));
    }

    fn handle_exec(&mut self, pid: u32, message: &Message) {
        self.stats.exec.count();
        self.processes.unwatch(pid);
        let &Message { seq, cpu, timestamp_ns, .. } = message;
        let exec = Exec { pid, cpu, seq, timestamp_ns };
        let fields = self.interest.fields;
        let mut observed = None;
        if !fields.is_empty() {
            let mut captured = self.processes.capture(exec, fields);
            // The details may not need the file that shows the identity.
            if captured.start_time == 0 && self.table.needs_identity(pid, timestamp_ns) {
                let identity = self.processes.read_reported(pid, Fields::NONE, timestamp_ns);
                captured =
                    ObservedProcess { process: captured.process, read_ns: captured.read_ns, ..identity };
            }
            observed = Some(captured);
            self.needs_receive = true;
        } else if self.table.needs_identity(pid, timestamp_ns) {
            observed = Some(ObservedProcess { process: None, ..self.processes.capture(exec, fields) });
        }
        let parent = observed.as_ref().filter(|observed| observed.start_time != 0);
        self.ancestry.on_exec(pid, parent.map(|observed| observed.ppid), timestamp_ns);
        self.change_table(|table, sink| table.apply(message, observed, sink));
    }

    fn handle_exit(&mut self, pid: u32, status: ExitStatus, ppid: Option<u32>, message: &Message) {
        self.stats.exit.count();
        let timestamp_ns = message.timestamp_ns;
        if let Some((observed, exit_watched)) = self.leader_exit_only(pid, timestamp_ns) {
            let status = Some(status);
            let exit = LeaderExit { exit_watched, timestamp_ns, status, ppid, ..LeaderExit::default() };
            self.change_table(|table, sink| table.on_leader_exit(pid, exit, &observed, sink));
            return;
        }
        if self.table.is_late_exit(pid, timestamp_ns) {
            // A zombie still shows its creation time, which tells it from an earlier process with this pid.
            let zombie = self.processes.read_reported(pid, Fields::NONE, timestamp_ns);
            if zombie.start_time != 0 {
                self.table.observe_exited(pid, zombie.start_ns);
            }
        }
        self.ancestry.observe_parent(pid, ppid, timestamp_ns);
        self.change_table(|table, sink| table.apply(message, None, sink));
        self.needs_receive |= self.table.has_tentative_exit(pid);
        self.after_exit(pid);
    }

    /// Answers the requests that wait for an exit that was applied to the table.
    pub(super) fn after_exit(&mut self, pid: u32) {
        // If the table still knows the pid, this was the late report of an earlier process.
        if !self.table.knows(pid) {
            if let Some(pending) = self.pending_exits.remove(&pid) {
                self.exited_watches.extend(pending.requesters);
            }
            self.processes.unwatch(pid);
            self.ancestry.on_exit(pid);
        }
    }
}
