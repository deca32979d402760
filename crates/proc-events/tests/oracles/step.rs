//! The steps of a history, and the delivery of the kernel's reports.

use std::collections::VecDeque;

use super::machine::{Machine, Report};

/// Few, so that each pid has a long history.
const PIDS: u32 = 3;
/// The longest time, in nanoseconds, that a report waits until it is sent and read.
const DELAY_MAX_NS: u64 = 50_000_000;

/// The delivery of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Sent,
    /// The CPU is interrupted before it sends the report.
    Late,
    Lost,
}

/// A change of the machine, or an operation on the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Fork {
        pid: u32,
        delivery: Delivery,
    },
    Exec {
        pid: u32,
        delivery: Delivery,
    },
    NonLeaderExec {
        pid: u32,
        delivery: Delivery,
        leader_exit: Delivery,
    },
    LeaderExit {
        pid: u32,
        delivery: Delivery,
    },
    Exit {
        pid: u32,
        delivery: Delivery,
        code: u32,
    },
    /// The reader reads the reports that were sent.
    Receive,
    /// The report that has been late the longest is sent.
    SendLate,
    Wait {
        ns: u64,
    },
    /// The watches show the exits of their processes.
    WatchedExits,
    BeginSnapshot,
    ReadProcesses {
        most: usize,
    },
    FinishSnapshot,
}

impl Step {
    /// Decodes a step. Every pair of bytes is one.
    pub(crate) fn decode([what, rest]: [u8; 2]) -> Self {
        let (pid, rest) = (2 + u32::from(rest) % PIDS, u32::from(rest) / PIDS);
        let delivery =
            [Delivery::Sent, Delivery::Sent, Delivery::Lost, Delivery::Late][usize::from(what >> 6)];
        match what & 0x0f {
            0 | 1 => Self::Fork { pid, delivery },
            2..=4 => Self::Exec { pid, delivery },
            5 => Self::NonLeaderExec {
                pid,
                delivery,
                leader_exit: if what & 0x20 == 0 { Delivery::Sent } else { Delivery::Lost },
            },
            6 => Self::LeaderExit { pid, delivery },
            7..=9 => Self::Exit { pid, delivery, code: rest % 3 },
            10 if what & 0x20 == 0 => Self::Receive,
            10 => Self::SendLate,
            11 => Self::Wait { ns: [100_000, 9_900_000, 30_000_000, 2_000_000_000][rest as usize % 4] },
            12 => Self::WatchedExits,
            13 => Self::BeginSnapshot,
            14 => Self::ReadProcesses { most: rest as usize % 4 },
            _ => Self::FinishSnapshot,
        }
    }
}

/// The reports that are not read yet.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    sent: Vec<Report>,
    late: VecDeque<(usize, Report)>,
    /// The time of the oldest of them.
    since_ns: u64,
}

impl Reports {
    /// Returns true if the report is sent at once.
    pub(crate) fn add(
        &mut self,
        machine: &mut Machine,
        instance: usize,
        report: Report,
        delivery: Delivery,
    ) -> bool {
        if self.is_empty() {
            self.since_ns = machine.now_ns;
        }
        match delivery {
            Delivery::Lost => machine.lose(instance),
            Delivery::Late => self.late.push_back((instance, report)),
            Delivery::Sent => self.sent.push(report),
        }
        delivery == Delivery::Sent
    }

    /// Returns true if a report of this instance is late. The process waits while the kernel sends, so nothing else happens
    /// to it meanwhile.
    pub(crate) fn is_busy(&self, instance: usize) -> bool {
        self.late.iter().any(|(late, _)| *late == instance)
    }

    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.late.is_empty()
    }

    pub(crate) fn is_overdue(&self, now_ns: u64) -> bool {
        !self.is_empty() && now_ns > self.since_ns + DELAY_MAX_NS
    }

    /// Returns true if a report is as old as that time, or older.
    pub(crate) fn has_older_than(&self, ns: u64) -> bool {
        !self.is_empty() && self.since_ns <= ns
    }

    pub(crate) fn send_late(&mut self, most: usize) {
        let most = most.min(self.late.len());
        self.sent.extend(self.late.drain(..most).map(|(_, report)| report));
    }

    pub(crate) fn take_sent(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.sent)
    }
}
