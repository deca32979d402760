//! What may happen on a machine, and what becomes of the reports of it.

use std::collections::VecDeque;

use super::machine::{Datagram, Machine};

/// Few, so that much happens to each.
const PIDS: u32 = 3;
/// No longer does a report wait to be read, nor a CPU to send it.
const PROMPT_NS: u64 = 50_000_000;

/// What becomes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Sent,
    /// Its CPU is interrupted before it has sent it.
    Late,
    Lost,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Fork {
        pid: u32,
        fate: Delivery,
    },
    Exec {
        pid: u32,
        fate: Delivery,
    },
    ExecByThread {
        pid: u32,
        fate: Delivery,
        leaders: Delivery,
    },
    LeaderLeaves {
        pid: u32,
        fate: Delivery,
    },
    Exit {
        pid: u32,
        fate: Delivery,
        code: u32,
    },
    /// What was sent is read.
    Hear,
    /// The report that is late the longest is sent.
    CatchUp,
    Wait {
        ns: u64,
    },
    /// The ends that are awaited are noticed.
    Notification,
    BeginLook,
    ReadSome {
        processes: usize,
    },
    EndLook,
}

impl Step {
    /// Every pair of bytes is a step.
    pub(crate) fn read([what, rest]: [u8; 2]) -> Self {
        let (pid, rest) = (2 + u32::from(rest) % PIDS, u32::from(rest) / PIDS);
        let fate = [Delivery::Sent, Delivery::Sent, Delivery::Lost, Delivery::Late][usize::from(what >> 6)];
        match what & 0x0f {
            0 | 1 => Self::Fork { pid, fate },
            2..=4 => Self::Exec { pid, fate },
            5 => Self::ExecByThread {
                pid,
                fate,
                leaders: if what & 0x20 == 0 { Delivery::Sent } else { Delivery::Lost },
            },
            6 => Self::LeaderLeaves { pid, fate },
            7..=9 => Self::Exit { pid, fate, code: rest % 3 },
            10 if what & 0x20 == 0 => Self::Hear,
            10 => Self::CatchUp,
            11 => Self::Wait { ns: [100_000, 9_900_000, 30_000_000, 2_000_000_000][rest as usize % 4] },
            12 => Self::Notification,
            13 => Self::BeginLook,
            14 => Self::ReadSome { processes: rest as usize % 4 },
            _ => Self::EndLook,
        }
    }
}

/// What was reported, and not read yet.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    sent: Vec<Datagram>,
    late: VecDeque<(usize, Datagram)>,
    /// When the eldest of them was made.
    since_ns: u64,
}

impl Reports {
    /// Whether it goes well.
    pub(crate) fn add(
        &mut self,
        machine: &mut Machine,
        life: usize,
        report: Datagram,
        fate: Delivery,
    ) -> bool {
        if self.is_empty() {
            self.since_ns = machine.now_ns;
        }
        match fate {
            Delivery::Lost => machine.lose(life),
            Delivery::Late => self.late.push_back((life, report)),
            Delivery::Sent => self.sent.push(report),
        }
        fate == Delivery::Sent
    }

    /// The kernel sends while the process waits, so nothing else happens to it meanwhile.
    pub(crate) fn is_busy(&self, life: usize) -> bool {
        self.late.iter().any(|(late, _)| *late == life)
    }

    pub(crate) fn is_any_late(&self) -> bool {
        !self.late.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.late.is_empty()
    }

    pub(crate) fn is_overdue(&self, now_ns: u64) -> bool {
        !self.is_empty() && now_ns > self.since_ns + PROMPT_NS
    }

    /// Whether something that waits is older than that.
    pub(crate) fn is_older_than(&self, ns: u64) -> bool {
        !self.is_empty() && self.since_ns <= ns
    }

    pub(crate) fn catch_up(&mut self, most: usize) {
        let most = most.min(self.late.len());
        self.sent.extend(self.late.drain(..most).map(|(_, report)| report));
    }

    pub(crate) fn read(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.sent)
    }
}
