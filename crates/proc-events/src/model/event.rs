//! What subscribers get: one process event, its kind, and the details captured with it. Inert values.

use std::sync::Arc;

use crate::model::interest::{EventType, Fields};

/// How an event was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// Reported live.
    Kernel,
    /// Found by the scan at the start.
    Bootstrap,
    /// Concluded from a snapshot after a loss.
    Resync,
    /// Concluded from a snapshot by the polling source.
    Polling,
}

/// An argument vector as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// The arguments, each ended by one NUL. Bytes that are not UTF-8 are written `\xNN`.
    pub text: Box<str>,
    /// True if the end was cut, because the text would be longer than [`crate::Options::max_argv_bytes`].
    pub truncated: bool,
}

/// What was captured of a process. A field is `None` when it was not asked for or could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The fields that were asked for.
    pub asked: Fields,
    /// The kernel's comm, completed from argv or the exe where the kernel cut it at 15 bytes.
    pub name: Option<Box<str>>,
    /// The parent's pid.
    pub ppid: Option<u32>,
    /// The path of the program.
    pub exe: Option<Box<str>>,
    /// The argument vector.
    pub argv: Option<Argv>,
    /// The working directory.
    pub cwd: Option<Box<str>>,
    /// The real user id.
    pub uid: Option<u32>,
    /// The real group id.
    pub gid: Option<u32>,
    /// The cgroup path.
    pub cgroup: Option<Box<str>>,
    /// When the process was created: clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start_time: Option<u64>,
}

impl ProcessInfo {
    /// The bytes of its texts.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let argv = self.argv.as_ref().map_or(0, |argv| argv.text.len());
        argv + text(&self.name) + text(&self.exe) + text(&self.cwd) + text(&self.cgroup)
    }

    /// The same without the long texts: the arguments are cut to none, and marked so. The name, exe and cgroup stay,
    /// because a subscriber's filter may need them: an event that it cannot judge would be neither told nor lost.
    pub(crate) fn without_texts(&self) -> Self {
        let argv = self.argv.as_ref().map(|_| Argv { text: Box::default(), truncated: true });
        let [name, exe, cgroup] = [&self.name, &self.exe, &self.cgroup].map(Clone::clone);
        Self { asked: self.asked, name, argv, exe, cwd: None, cgroup, ..*self }
    }
}

impl ProcessInfo {
    /// Returns true if no field could be read.
    pub(crate) const fn is_blank(&self) -> bool {
        let Self { asked: _, name, ppid, exe, argv, cwd, uid, gid, cgroup, start_time } = self;
        let has_text = name.is_some() || exe.is_some() || argv.is_some() || cwd.is_some() || cgroup.is_some();
        !has_text && ppid.is_none() && uid.is_none() && gid.is_none() && start_time.is_none()
    }

    /// Returns true if `later` has a field that this lacks.
    fn lacks(&self, later: &Self) -> bool {
        !self.asked.covers(later.asked)
            || self.name.is_none() && later.name.is_some()
            || self.ppid.is_none() && later.ppid.is_some()
            || self.exe.is_none() && later.exe.is_some()
            || self.argv.is_none() && later.argv.is_some()
            || self.cwd.is_none() && later.cwd.is_some()
            || self.uid.is_none() && later.uid.is_some()
            || self.gid.is_none() && later.gid.is_some()
            || self.cgroup.is_none() && later.cgroup.is_some()
            || self.start_time.is_none() && later.start_time.is_some()
    }

    /// Adds what `this` lacks from a later reading of the same program. A value that was read before stays: the later one
    /// may be poorer, or changed since the exec.
    pub(crate) fn fill(this: &mut Option<Arc<Self>>, later: Option<&Arc<Self>>) {
        let Some(later) = later else { return };
        match this {
            None => *this = Some(Arc::clone(later)),
            Some(known) if known.lacks(later) => {
                let known = Arc::make_mut(known);
                known.asked = known.asked.union(later.asked);
                known.name = known.name.take().or_else(|| later.name.clone());
                known.ppid = known.ppid.or(later.ppid);
                known.exe = known.exe.take().or_else(|| later.exe.clone());
                known.argv = known.argv.take().or_else(|| later.argv.clone());
                known.cwd = known.cwd.take().or_else(|| later.cwd.clone());
                known.uid = known.uid.or(later.uid);
                known.gid = known.gid.or(later.gid);
                known.cgroup = known.cgroup.take().or_else(|| later.cgroup.clone());
                known.start_time = known.start_time.or(later.start_time);
            }
            Some(_) => {}
        }
    }

    /// Forgets what belongs to the program. What belongs to the process stays.
    pub(crate) fn without_program(&self) -> Self {
        Self { name: None, exe: None, argv: None, ..self.clone() }
    }
}

/// A wait status: how a process ended, as `waitpid(2)` encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u32);

impl ExitStatus {
    /// The exit code, if the process ended by itself.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        if self.0 & 0x7f == 0 { Some((self.0 >> 8 & 0xff) as u8) } else { None }
    }
    /// The number of the signal that ended the process, if one did.
    #[must_use]
    pub const fn signal(self) -> Option<u8> {
        if self.0 & 0x7f == 0 { None } else { Some((self.0 & 0x7f) as u8) }
    }
    /// Whether a core was dumped.
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// What happened, with the details of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventData {
    /// A process was created; this is the child.
    Fork {
        /// The process that created it.
        ppid: u32,
    },
    /// A process replaced its program.
    Exec {
        /// Whether this process had been reported before, in the same life.
        again: bool,
    },
    /// A process ended.
    Exit {
        /// How, if the kernel's own report was received.
        status: Option<ExitStatus>,
        /// The parent at that time; `None` where the kernel no longer knew it.
        ppid: Option<u32>,
        /// Nanoseconds since the last exec that was seen.
        duration_ns: Option<u64>,
        /// Whether this process had been reported before, in the same life.
        known: bool,
    },
    /// A thread changed its name.
    Comm {
        /// The thread.
        tid: u32,
        /// The new name, padded with NUL.
        comm: [u8; 16],
    },
    /// The user ids changed.
    Uid {
        /// The real user id.
        ruid: u32,
        /// The effective user id.
        euid: u32,
    },
    /// The group ids changed.
    Gid {
        /// The real group id.
        rgid: u32,
        /// The effective group id.
        egid: u32,
    },
    /// The process became a session leader.
    Sid,
    /// A tracer attached, or detached.
    Ptrace {
        /// The tracer; `None` when it detached.
        tracer_pid: Option<u32>,
    },
    /// The process is about to dump core.
    Coredump {
        /// The parent at that time.
        ppid: Option<u32>,
    },
}

impl EventData {
    /// The kind without its details.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::Fork { .. } => EventType::Fork,
            Self::Exec { .. } => EventType::Exec,
            Self::Exit { .. } => EventType::Exit,
            Self::Comm { .. } => EventType::Comm,
            Self::Uid { .. } => EventType::Uid,
            Self::Gid { .. } => EventType::Gid,
            Self::Sid => EventType::Sid,
            Self::Ptrace { .. } => EventType::Ptrace,
            Self::Coredump { .. } => EventType::Coredump,
        }
    }
}

/// One wish to follow the descendants of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AncestryTag {
    /// The number of the subscriber whose wish it is.
    pub subscriber: u32,
    /// The number that it has given to this wish.
    pub id: u32,
}

/// Which wishes a process falls under.
pub type AncestryTags = Option<Arc<[AncestryTag]>>;

/// One event of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// The process (the kernel's tgid), in the initial pid namespace.
    pub pid: u32,
    /// When: nanoseconds on `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
    /// How it was learnt.
    pub origin: Origin,
    /// What happened.
    pub data: EventData,
    /// What was captured at the process's last exec, or at a snapshot.
    pub process: Option<Arc<ProcessInfo>>,
    /// The wishes to follow a process under which this one falls.
    pub ancestry: AncestryTags,
}

impl ProcessEvent {
    /// The bytes of the texts that were captured.
    pub(crate) fn weight(&self) -> usize {
        self.process.as_ref().map_or(0, |process| process.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_reads_as_waitpid_documents_it() {
        let read = |raw| {
            let status = ExitStatus(raw);
            (status.code(), status.signal(), status.core_dumped())
        };
        assert_eq!(read(0), (Some(0), None, false));
        assert_eq!(read(0x300), (Some(3), None, false));
        assert_eq!(read(0xff00), (Some(255), None, false));
        assert_eq!(read(9), (None, Some(9), false));
        assert_eq!(read(0x8b), (None, Some(11), true));
        assert_eq!(read(0x0b), (None, Some(11), false));
    }
}
