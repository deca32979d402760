//! What is wanted at all: sets of kinds, and of details to capture. Inert values.

/// The kinds of event that the process connector reports. The discriminants are bit positions in [`EventTypes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventType {
    /// A process was created.
    Fork,
    /// A process replaced its program.
    Exec,
    /// A process ended.
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
    /// No kind at all.
    pub const NONE: Self = Self(0);
    /// Exec and exit: what the process table lives on.
    pub const LIFECYCLE: Self = Self(1 << EventType::Exec as u16 | 1 << EventType::Exit as u16);
    /// Every kind.
    pub const ALL: Self = Self(0x1ff);

    /// One kind alone.
    #[must_use]
    pub const fn of(kind: EventType) -> Self {
        Self(1 << kind as u16)
    }
    /// The set whose bit `n` stands for the kind with discriminant `n`; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
    /// The bits, see [`EventTypes::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether `kind` is in the set.
    #[must_use]
    pub const fn has(self, kind: EventType) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

/// The details that can be captured of a process. The discriminants are bit positions in [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// The process name, completed where the kernel cut it.
    Name,
    /// The parent's pid.
    Ppid,
    /// The path of the program.
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
    /// The creation time in clock ticks since boot.
    StartTime,
}

/// A set of [`Field`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// No field at all.
    pub const NONE: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self(0x1ff);

    /// The set whose bit `n` stands for the field with discriminant `n`; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
    /// The bits, see [`Fields::from_bits`].
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// This set and `field`.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u16)
    }
    /// Whether `field` is in the set.
    #[must_use]
    pub const fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }
    /// Whether every field of `other` is in the set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What is wanted at all: the kinds to report and the details to capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The kinds to report.
    pub types: EventTypes,
    /// The details to capture.
    pub fields: Fields,
}

impl Interest {
    /// What satisfies both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { types: self.types.union(other.types), fields: self.fields.union(other.fields) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_drop_bits_that_stand_for_nothing() {
        assert_eq!(EventTypes::from_bits(0xffff), EventTypes::ALL);
        assert_eq!(Fields::from_bits(0xffff), Fields::ALL);
        assert!(EventTypes::LIFECYCLE.has(EventType::Exec) && EventTypes::LIFECYCLE.has(EventType::Exit));
        assert!(!EventTypes::LIFECYCLE.has(EventType::Fork));
        assert!(Fields::NONE.with(Field::Name).has(Field::Name));
        assert!(!Fields::NONE.with(Field::Name).covers(Fields::NONE.with(Field::Exe)));
    }
}
