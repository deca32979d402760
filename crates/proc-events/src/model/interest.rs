//! Sets of event types, and of process details to capture. Inert values.

/// A type of event that the process connector reports. The discriminants are bit positions in [`EventTypes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventType {
    /// A process was created.
    Fork,
    /// A process replaced its program.
    Exec,
    /// A process exited.
    Exit,
    /// A thread changed its name.
    Comm,
    /// A process changed its user ids.
    Uid,
    /// A process changed its group ids.
    Gid,
    /// A process became a session leader.
    Sid,
    /// A tracer attached to a process, or detached.
    Ptrace,
    /// A process is about to dump core.
    Coredump,
}

/// A set of [`EventType`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTypes(u16);

impl EventTypes {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Exec and exit. The process table needs both.
    pub const LIFECYCLE: Self = Self(1 << EventType::Exec as u16 | 1 << EventType::Exit as u16);
    /// Every type.
    pub const ALL: Self = Self(0x1ff);
    /// Comm events of main threads, for the kernel filter. A captured comm needs them to stay up to date.
    pub(crate) const RENAMES: Self = Self(1 << 9);

    /// Returns the set of this type alone.
    #[must_use]
    pub const fn of(event_type: EventType) -> Self {
        Self(1 << event_type as u16)
    }
    /// Returns the set whose bit `n` stands for the type with discriminant `n`. Ignores unknown bits.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
    /// Returns the bits, see [`EventTypes::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// Returns the union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Returns the types of this set that are not in `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Returns true if the set contains every type of `other`.
    #[must_use]
    pub(crate) const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Returns true if the set contains `event_type`.
    #[must_use]
    pub const fn has(self, event_type: EventType) -> bool {
        self.0 & (1 << event_type as u16) != 0
    }
}

/// A detail of a process that can be captured. The discriminants are bit positions in [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// The process name, completed from the arguments or the executable path if the kernel truncated it.
    Name,
    /// The parent's pid.
    Ppid,
    /// The path of the executable.
    Exe,
    /// The argument vector.
    Argv,
    /// The working directory.
    Cwd,
    /// The real user id.
    Uid,
    /// The real group id.
    Gid,
    /// The cgroup path.
    Cgroup,
    /// The creation time, in clock ticks since boot.
    StartTime,
    /// The main thread's present name.
    Comm,
    /// The user id of the login.
    LoginUid,
    /// The cost of the process, which its exit shows.
    Usage,
}

/// A set of [`Field`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self(0xfff);
    /// The fields that belong to the exit. `/proc` does not show them.
    pub(crate) const OF_EXITS: Self = Self(1 << Field::Usage as u16);

    /// Returns the set whose bit `n` stands for the field with discriminant `n`. Ignores unknown bits.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
    /// Returns the bits, see [`Fields::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// Returns the union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Returns this set with `field` added.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u16)
    }
    /// Returns true if the set contains `field`.
    #[must_use]
    pub const fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }
    /// Returns the fields that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Returns the fields of this set that are not in `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Returns true if the set contains every field of `other`.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Returns true if the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The event types to report and the details to capture, for all processes or for those that a rule selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The event types to report.
    pub types: EventTypes,
    /// The details to capture.
    pub fields: Fields,
    /// True if the arguments and the comm are to be read again when a process renames itself.
    pub recapture: bool,
}

impl Interest {
    /// Returns the interest that covers both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            types: self.types.union(other.types),
            fields: self.fields.union(other.fields),
            recapture: self.recapture || other.recapture,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_are_ignored() {
        assert_eq!(EventTypes::from_bits(0xffff), EventTypes::ALL);
        assert_eq!(Fields::from_bits(0xffff), Fields::ALL);
        assert!(EventTypes::LIFECYCLE.has(EventType::Exec) && EventTypes::LIFECYCLE.has(EventType::Exit));
        assert!(!EventTypes::LIFECYCLE.has(EventType::Fork));
        assert!(Fields::NONE.with(Field::Name).has(Field::Name));
        assert!(!Fields::NONE.with(Field::Name).covers(Fields::NONE.with(Field::Exe)));
    }
}
