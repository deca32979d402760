//! From the socket to the outboxes: what a datagram says, whether that is the whole truth, and who is told.

use neli::connector::ProcEvent;
use rustix::io::Errno;
use rustix::time::ClockId;

use super::{Reader, unexpected};
use crate::deathwatch;
use crate::error::{Error, ErrorCode};
use crate::event::ExitStatus;
use crate::interest::EventType;
use crate::procfs::clock_ns;
use crate::socket::{Connector, Received};
use crate::table::known_pid;
use crate::wire::{self, DATAGRAM_LEN, Message, Reject};

/// Datagrams read before what they say is handed on.
pub(super) const BATCH: usize = 512;

impl Reader<'_> {
    /// Reads until nothing is left, or `turn` datagrams.
    pub(super) fn drain(&mut self, turn: usize) -> Result<(), Error> {
        let mut datagram = [0; DATAGRAM_LEN];
        for read in 1..=turn {
            let Some(connector) = &self.connector else { return Ok(()) };
            match connector.receive(&mut datagram) {
                Ok(Received::Datagram(len)) => self.hear(&datagram[..len])?,
                Ok(Received::Foreign) => self.shared.stats.rejected.count(),
                Ok(Received::Nothing) => {
                    connector.exhausted();
                    break;
                }
                // A loss, which the drop counter tells exactly.
                Err(Errno::NOBUFS) => {}
                Err(errno) => {
                    self.hand_on();
                    return Err(Error::new(ErrorCode::SourceFailed, "recvfrom", errno));
                }
            }
            if read % BATCH == 0 {
                self.hand_on();
            }
        }
        self.hand_on();
        if let Some(Ok(drops)) = self.connector.as_ref().map(Connector::drops) {
            let lost = u64::from(self.drops.observe(drops));
            self.shared.stats.lost_socket.add(lost);
            self.resync.lost(lost);
        }
        Ok(())
    }

    fn hand_on(&mut self) {
        if !self.events.is_empty() {
            self.outboxes.iter().for_each(|outbox| outbox.push(&self.events));
            self.events.clear();
        }
    }

    fn hear(&mut self, datagram: &[u8]) -> Result<(), Error> {
        self.liveness.heard();
        let stats = &self.shared.stats;
        let message = match wire::parse(datagram) {
            Ok(message) => message,
            Err(reject) => {
                match reject {
                    Reject::Malformed => stats.rejected.count(),
                    Reject::UnknownKind(_) => stats.ignored.count(),
                }
                return Ok(());
            }
        };
        let mut seen = None;
        match message.event {
            ProcEvent::Ack { .. } => return Ok(()),
            ProcEvent::Comm { .. } if !self.interest.kinds.has(EventType::Comm) => return Ok(()),
            ProcEvent::Exec { process_tgid, .. } => {
                stats.exec.count();
                let pid = process_tgid as u32;
                self.deathwatch.remove(pid);
                let fields = self.interest.fields;
                seen = (!fields.is_empty()).then(|| self.procfs.capture(pid, fields, message.timestamp_ns));
            }
            ProcEvent::Exit { process_tgid, exit_code, parent_tgid, .. } => {
                stats.exit.count();
                let pid = process_tgid as u32;
                if self.is_still_running(pid, &message)? {
                    stats.events.count();
                    self.table.leader_left(pid, ExitStatus(exit_code), known_pid(parent_tgid));
                    return Ok(());
                }
                self.deathwatch.remove(pid);
            }
            _ => {}
        }
        stats.events.count();
        self.table.apply(&message, seen, &mut self.events);
        Ok(())
    }

    /// Whether this exit is only that of the process's leader. If so, the process's end is awaited.
    fn is_still_running(&mut self, pid: u32, exit: &Message) -> Result<bool, Error> {
        // Where it cannot be told, the report is taken at its word.
        let Ok(Some(pidfd)) = deathwatch::running(pid) else { return Ok(false) };
        // Else the pid may have been given away since.
        let is_same = self.procfs.existed(pid, exit.timestamp_ns);
        if is_same {
            self.deathwatch.add(pid, pidfd).map_err(|error| unexpected("epoll_ctl a pidfd", &error))?;
        }
        Ok(is_same)
    }

    pub(super) fn conclude(&mut self, pids: &[u32]) -> Result<(), Error> {
        // If the kernel has reported it, that is what counts.
        self.drain(usize::MAX)?;
        for &pid in pids {
            let status = self.procfs.exit_status(pid);
            self.table.ended(pid, clock_ns(ClockId::Monotonic), status, &mut self.events);
        }
        self.hand_on();
        Ok(())
    }
}
