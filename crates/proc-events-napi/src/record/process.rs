//! The process details of an event record.

use proc_events::{Argv, Field, Fields, ProcessInfo};

use super::text;

/// Words of the two masks: the requested fields, and the fields that were read.
const MASKS: usize = 2;

/// Returns the number of words of the details.
pub(super) fn length(process: &ProcessInfo) -> usize {
    MASKS + Value::all(process).map(|value| value.length()).sum::<usize>()
}

/// Writes the masks, then the value of each field that was read, in the order of the bits.
pub(super) fn write(process: &ProcessInfo, rest: &mut [u32]) {
    let (masks, mut rest) = rest.split_at_mut(MASKS);
    let mut read = Fields::NONE;
    for value in Value::all(process) {
        read = read.with(value.field());
        let (target, remainder) = rest.split_at_mut(value.length());
        match value {
            Value::Number(_, number) => target[0] = number,
            Value::Long(_, number) => (target[0], target[1]) = text::halves(number),
            Value::Text(_, text) => text::write(text, target),
        }
        rest = remainder;
    }
    masks[0] = process.requested.bits().into();
    masks[1] = read.bits().into();
}

/// The value of a field that was read.
enum Value<'a> {
    Number(Field, u32),
    Long(Field, u64),
    Text(Field, &'a str),
}

impl<'a> Value<'a> {
    /// Returns the values in the order of the bits of their fields.
    fn all(process: &'a ProcessInfo) -> impl Iterator<Item = Self> {
        let text = |field, text: &'a Option<Box<str>>| text.as_deref().map(|text| Self::Text(field, text));
        let number = |field, number: Option<u32>| number.map(|number| Self::Number(field, number));
        let argv = |argv: &'a Argv| Self::Text(Field::Argv, &argv.text);
        [
            text(Field::Name, &process.name),
            number(Field::Ppid, process.ppid),
            text(Field::Exe, &process.exe),
            process.argv.as_ref().map(argv),
            text(Field::Cwd, &process.cwd),
            number(Field::Uid, process.uid),
            number(Field::Gid, process.gid),
            text(Field::Cgroup, &process.cgroup),
            process.start_time.map(|ticks| Self::Long(Field::StartTime, ticks)),
            text(Field::Comm, &process.comm),
            number(Field::LoginUid, process.login_uid),
        ]
        .into_iter()
        .flatten()
    }

    const fn field(&self) -> Field {
        match self {
            Self::Number(field, _) | Self::Long(field, _) | Self::Text(field, _) => *field,
        }
    }

    const fn length(&self) -> usize {
        match self {
            Self::Number(..) => 1,
            Self::Long(..) => 2,
            Self::Text(_, text) => text::length(text),
        }
    }
}
