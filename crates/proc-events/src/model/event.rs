//! Process events: the event, its type-specific data, and the captured details. Inert values.

use std::sync::Arc;

use crate::model::interest::{EventType, Fields};
use crate::model::usage::ResourceUsage;

/// The way an event became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// The kernel reported it.
    Kernel,
    /// The bootstrap scan found the process running.
    Bootstrap,
    /// A snapshot after a loss showed it.
    Resync,
    /// A snapshot of the polling source showed it.
    Polling,
}

/// An argument vector as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// The arguments, each terminated by one NUL. Bytes that are not UTF-8 appear as `\xNN`.
    pub text: Box<str>,
    /// True if the text was cut, because it would exceed [`crate::Options::max_argv_bytes`].
    pub truncated: bool,
}

impl Argv {
    /// Returns the number of arguments.
    pub(crate) fn count(&self) -> usize {
        self.text.bytes().filter(|byte| *byte == 0).count()
    }

    /// Returns the arguments without the padding of a program that has overwritten them. If only empty arguments follow
    /// the first, that is a title, and they are removed. Otherwise those past the original `count` are removed.
    pub(crate) fn without_padding(mut self, count: usize) -> Self {
        let used = self.text.trim_end_matches('\0').len();
        let empty = self.text.len() - used;
        if empty > 1 && !self.truncated {
            let is_title = !self.text.get(..used).is_some_and(|text| text.contains('\0'));
            let arguments = self.count() + 1 - empty;
            let kept = if is_title { 1 } else { empty.min(count.saturating_sub(arguments) + 1) };
            self.text = self.text.get(..used + kept).unwrap_or_default().into();
        }
        self
    }
}

/// Declares [`ProcessInfo`], and the functions that treat all of its details alike.
macro_rules! process_info {
    ($(#[$struct_doc:meta])* struct ProcessInfo { $($(#[$doc:meta])* $name:ident: $value:ty,)* }) => {
        $(#[$struct_doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct ProcessInfo {
            /// The fields that were requested.
            pub requested: Fields,
            $($(#[$doc])* pub $name: Option<$value>,)*
        }

        impl ProcessInfo {
            /// Returns true if no field could be read.
            pub(crate) const fn is_blank(&self) -> bool {
                true $(&& self.$name.is_none())*
            }

            /// Returns true if `later` has a field that `self` lacks.
            fn lacks(&self, later: &Self) -> bool {
                !self.requested.covers(later.requested) $(|| self.$name.is_none() && later.$name.is_some())*
            }

            /// Copies the fields that `self` lacks.
            fn add_missing(&mut self, later: &Self) {
                self.requested = self.requested.union(later.requested);
                $(if self.$name.is_none() {
                    self.$name.clone_from(&later.$name);
                })*
            }
        }
    };
}

process_info! {
    /// The captured details of a process. A field is `None` if it was not requested or could not be read.
    struct ProcessInfo {
        /// The program's name, as at its exec: the comm at that time, completed past 15 bytes. If the process was found
        /// running and has renamed itself since its exec: the base name of the executable, or else of argv[0].
        name: Box<str>,
        /// The parent's pid.
        ppid: u32,
        /// The path of the executable.
        exe: Box<str>,
        /// The argument vector.
        argv: Argv,
        /// The working directory.
        cwd: Box<str>,
        /// The real user id.
        uid: u32,
        /// The real group id.
        gid: u32,
        /// The cgroup path.
        cgroup: Box<str>,
        /// Creation time, in clock ticks since boot: field 22 of `/proc/PID/stat`.
        start_time: u64,
        /// The comm: the kernel's present name of the main thread, at most 15 bytes.
        comm: Box<str>,
        /// The user id of the login, before `su` and `sudo`. `None` if no user logged in.
        login_uid: u32,
    }
}

impl ProcessInfo {
    /// Returns the size of the texts, in bytes.
    #[inline]
    pub(crate) fn text_bytes(&self) -> usize {
        let bytes = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let argv = self.argv.as_ref().map_or(0, |argv| argv.text.len());
        argv + bytes(&self.name)
            + bytes(&self.exe)
            + bytes(&self.cwd)
            + bytes(&self.cgroup)
            + bytes(&self.comm)
    }

    /// Returns a copy with empty, truncated arguments and no working directory. The name, the comm, the executable and the
    /// cgroup stay, because filters need them. An event that no filter can match would be neither delivered nor counted
    /// as lost.
    pub(crate) fn without_long_texts(&self) -> Self {
        let argv = self.argv.as_ref().map(|_| Argv { text: Box::default(), truncated: true });
        let [name, exe, cgroup, comm] = [&self.name, &self.exe, &self.cgroup, &self.comm].map(Clone::clone);
        Self { requested: self.requested, name, argv, exe, cwd: None, cgroup, comm, ..*self }
    }

    /// Adds the fields that `this` lacks from a later reading of the same program. Fields that were read before stay,
    /// because the process may have changed them since the exec.
    pub(crate) fn fill(this: &mut Option<Arc<Self>>, later: Option<&Arc<Self>>) {
        let Some(later) = later else { return };
        match this {
            None => *this = Some(Arc::clone(later)),
            Some(known) if known.lacks(later) => Arc::make_mut(known).add_missing(later),
            Some(_) => {}
        }
    }

    /// Replaces the arguments by those that the process has now. They may be padded: see [`Argv::without_padding`].
    pub(crate) fn replace_argv(this: &mut Arc<Self>, later: Option<&Argv>) {
        let Some((known, later)) = this.argv.as_ref().zip(later) else { return };
        let later = later.clone().without_padding(known.count());
        if *known != later {
            Arc::make_mut(this).argv = Some(later);
        }
    }

    /// Returns a copy without the fields that an exec replaces.
    pub(crate) fn without_program(&self) -> Self {
        Self { name: None, exe: None, argv: None, comm: None, ..self.clone() }
    }
}

/// A wait status, as `waitpid(2)` encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u32);

impl ExitStatus {
    /// Returns the exit code, from 0 to 255; `None` if a signal killed the process.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        if self.0 & 0x7f == 0 { Some((self.0 >> 8 & 0xff) as u8) } else { None }
    }
    /// Returns the number of the signal that killed the process, from 1 to 127; `None` if it exited by itself.
    #[must_use]
    pub const fn signal(self) -> Option<u8> {
        if self.0 & 0x7f == 0 { None } else { Some((self.0 & 0x7f) as u8) }
    }
    /// Returns true if the process dumped core.
    #[must_use]
    pub const fn core_dumped(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// The time from a beginning to the exit, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTime {
    /// Since the last reported exec.
    SinceExec(u64),
    /// Since the creation of the process, because no exec was reported. The creation time is rounded down to a clock
    /// tick of 10 ms.
    SinceStart(u64),
}

/// The type of an event, with the data of that type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventData {
    /// The process was created.
    Fork {
        /// The parent's pid.
        ppid: u32,
    },
    /// The process replaced its program.
    Exec {
        /// True if an exec or a scan reported this process before.
        again: bool,
    },
    /// The process exited.
    Exit {
        /// The wait status; `None` if unknown.
        status: Option<ExitStatus>,
        /// The parent's pid at the exit; `None` if unknown.
        ppid: Option<u32>,
        /// The time that the process or its program ran; `None` if unknown.
        ran: Option<RunTime>,
        /// True if an exec or a scan reported this process before.
        known: bool,
    },
    /// A thread changed its name.
    Comm {
        /// The thread id.
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
    /// A tracer attached to the process, or detached.
    Ptrace {
        /// The tracer's pid; `None` if it detached.
        tracer_pid: Option<u32>,
    },
    /// The process is about to dump core.
    Coredump {
        /// The parent's pid at the core dump; `None` if unknown.
        ppid: Option<u32>,
    },
}

impl EventData {
    /// Returns the type without its data.
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

/// Marks an event of a descendant of the process that [`crate::FilterRule::ancestor`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AncestryTag {
    /// The id of the subscriber, see [`crate::Subscription::id`].
    pub subscriber: u32,
    /// The id of the ancestor, see [`crate::Ancestor::id`].
    pub id: u32,
}

/// The tags of a process. `None` if there are none. A vector, so that every event is smaller than with a slice.
pub type AncestryTags = Option<Arc<Vec<AncestryTag>>>;

/// An event of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// The process id, the kernel's tgid, in the pid namespace that `/proc` shows. With the connector, that is the initial one.
    pub pid: u32,
    /// Time of the event, in nanoseconds on `CLOCK_MONOTONIC`.
    pub timestamp_ns: u64,
    /// The way the event became known.
    pub origin: Origin,
    /// The type, with the data of that type.
    pub data: EventData,
    /// The details captured at the last exec, or at a snapshot.
    pub process: Option<Arc<ProcessInfo>>,
    /// The ancestry tags of the process.
    pub ancestry: AncestryTags,
    /// The cost of a process that has exited. `None` if no subscriber asks for it, or if it is unknown.
    pub usage: Option<Arc<ResourceUsage>>,
}

impl ProcessEvent {
    /// Returns an event without ancestry tags and cost, which are added when it is dispatched.
    #[must_use]
    pub const fn new(
        pid: u32,
        timestamp_ns: u64,
        origin: Origin,
        data: EventData,
        process: Option<Arc<ProcessInfo>>,
    ) -> Self {
        Self { pid, timestamp_ns, origin, data, process, ancestry: None, usage: None }
    }

    /// Returns the size of the captured texts, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.process.as_ref().map_or(0, |process| process.text_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_status_decodes_as_waitpid_documents() {
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
