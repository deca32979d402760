//! Writes a notice as a record of 32-bit words, which `src/events.ts` reads.
//!
//! | word | meaning |
//! |--:|---|
//! | 0 | kind (bits 0-7), origin (8-15), flags (16-31) |
//! | 1 | length of the record in words |
//! | 2 | pid |
//! | 3, 4 | timestamp in nanoseconds, low word first |
//! | 5..9 | by kind |
//! | 10.. | captured fields, if [`HAS_PROCESS`]: what was asked for, what was read, then each in the order of its bit |
//! | at the end | if [`IS_FOLLOWED`]: the ids of the wishes to follow a process under which this one falls, then how many |

use proc_events::{
    Argv, Error, EventData, ExitStatus, LossReport, Notification, ProcessEvent, ProcessInfo, SourceKind,
    WatchResult,
};

/// Words before anything of variable length.
pub(crate) const HEAD: usize = 10;

const OPENED: u32 = 32;
const SCANNED: u32 = 33;
const LOSS: u32 = 34;
const RESTART: u32 = 35;
const FAILED: u32 = 36;
const CLOSED: u32 = 37;
const FALLEN_BACK: u32 = 38;
const WATCHED: u32 = 39;

const HAS_PROCESS: u32 = 1;
/// On a restart or a failure: the system call follows the head.
const HAS_TEXT: u32 = 1;
const EXITED: u32 = 2;
const SIGNALED: u32 = 4;
const CORE_DUMPED: u32 = 8;
const HAS_DURATION: u32 = 16;
const ARGV_TRUNCATED: u32 = 32;
const IS_FOLLOWED: u32 = 64;

/// How many words the record takes for the subscriber with this number.
pub(crate) fn length(notification: &Notification, subscriber: u32) -> usize {
    HEAD + match notification {
        Notification::Event(event) | Notification::ScanEvent { event, .. } => {
            let fields = event.process.iter().flat_map(|process| Field::of(process));
            let process = if event.process.is_some() { 2 } else { 0 };
            process + fields.map(|field| field.length()).sum::<usize>() + follows_length(event, subscriber)
        }
        Notification::Restart(error)
        | Notification::FellBackToPolling(error)
        | Notification::Failed(error) => text_length(error.syscall),
        _ => 0,
    }
}

/// The ids of the subscriber's own wishes under which the process falls.
fn follows(event: &ProcessEvent, subscriber: u32) -> impl Iterator<Item = u32> {
    let follows = event.ancestry.iter().flat_map(|follows| follows.iter());
    follows.filter(move |follow| follow.subscriber == subscriber).map(|follow| follow.id)
}

fn follows_length(event: &ProcessEvent, subscriber: u32) -> usize {
    match follows(event, subscriber).count() {
        0 => 0,
        count => count + 1,
    }
}

/// Writes the record into `words`, which is as long as [`length`] says.
pub(crate) fn write(notification: &Notification, subscriber: u32, words: &mut [u32]) {
    let (head, rest) = words.split_at_mut(HEAD);
    head.fill(0);
    head[1] = (HEAD + rest.len()) as u32;
    match notification {
        Notification::Event(event) => write_event(event, subscriber, head, rest),
        Notification::ScanEvent { event, id } => {
            write_event(event, subscriber, head, rest);
            // The facade tells it to who has asked only.
            head[5] = *id;
        }
        Notification::Watched { id, watch } => {
            head[0] = WATCHED;
            head[5] = *id;
            head[6] = match watch {
                WatchResult::Gone => 0,
                WatchResult::Running => 1,
                WatchResult::Exited { pid, timestamp_ns, status } => {
                    head[2] = *pid;
                    (head[3], head[4]) = halves(*timestamp_ns);
                    if let Some(status) = status {
                        head[0] |= write_status(*status, &mut head[7..]) << 16;
                    }
                    2
                }
            };
        }
        Notification::Opened { receive_buffer_size, source } => {
            head[0] = OPENED;
            head[5] = *receive_buffer_size;
            head[6] = match source {
                SourceKind::Netlink => 0,
                SourceKind::Polling => 1,
            };
        }
        Notification::ScanFinished { id } => {
            head[0] = SCANNED;
            head[5] = *id;
        }
        Notification::Loss(LossReport { cause, lost, recovered_execs, recovered_exits }) => {
            head[0] = LOSS;
            head[5] = *cause as u32;
            head[6] = u32::try_from(*lost).unwrap_or(u32::MAX);
            head[7] = *recovered_execs;
            head[8] = *recovered_exits;
        }
        Notification::Restart(error) => write_error(RESTART, error, head, rest),
        Notification::Failed(error) => write_error(FAILED, error, head, rest),
        Notification::FellBackToPolling(error) => write_error(FALLEN_BACK, error, head, rest),
        Notification::Closed => head[0] = CLOSED,
    }
}

fn write_error(kind: u32, error: &Error, head: &mut [u32], rest: &mut [u32]) {
    head[0] = kind | HAS_TEXT << 16;
    head[5] = error.code as u32;
    head[6] = error.raw_errno() as u32;
    write_text(error.syscall, rest);
}

fn write_event(event: &ProcessEvent, subscriber: u32, head: &mut [u32], rest: &mut [u32]) {
    let mut flags = 0;
    head[2] = event.pid;
    (head[3], head[4]) = halves(event.timestamp_ns);
    match event.data {
        EventData::Fork { ppid } => head[5] = ppid,
        EventData::Exec { .. } | EventData::Sid => {}
        EventData::Exit { status, ppid, duration_ns, known: _ } => {
            if let Some(status) = status {
                flags |= write_status(status, &mut head[5..]);
            }
            head[7] = ppid.unwrap_or(0);
            if let Some(duration_ns) = duration_ns {
                flags |= HAS_DURATION;
                (head[8], head[9]) = halves(duration_ns);
            }
        }
        EventData::Comm { tid, comm } => {
            head[5] = tid;
            for (word, bytes) in head[6..].iter_mut().zip(comm.as_chunks().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
        }
        EventData::Uid { ruid: real, euid: effective } | EventData::Gid { rgid: real, egid: effective } => {
            head[5] = real;
            head[6] = effective;
        }
        EventData::Ptrace { tracer_pid } => head[5] = tracer_pid.unwrap_or(0),
        EventData::Coredump { ppid } => head[5] = ppid.unwrap_or(0),
    }
    if let Some(process) = &event.process {
        flags |= HAS_PROCESS;
        if process.argv.as_ref().is_some_and(|argv| argv.truncated) {
            flags |= ARGV_TRUNCATED;
        }
        write_process(process, rest);
    }
    if follows_length(event, subscriber) > 0 {
        flags |= IS_FOLLOWED;
        let mut count = 0;
        // From the end, since what stands before is of any length.
        for (place, id) in rest.iter_mut().rev().skip(1).zip(follows(event, subscriber)) {
            *place = id;
            count += 1;
        }
        if let Some(last) = rest.last_mut() {
            *last = count;
        }
    }
    head[0] = event.data.event_type() as u32 | (event.origin as u32) << 8 | flags << 16;
}

/// Writes the exit code, then the signal; returns the flags that say which of them counts.
fn write_status(status: ExitStatus, words: &mut [u32]) -> u32 {
    let mut flags = 0;
    if let Some(code) = status.code() {
        flags |= EXITED;
        words[0] = code.into();
    }
    if let Some(signal) = status.signal() {
        flags |= SIGNALED;
        words[1] = signal.into();
    }
    if status.core_dumped() {
        flags |= CORE_DUMPED;
    }
    flags
}

fn write_process(process: &ProcessInfo, rest: &mut [u32]) {
    let (masks, mut rest) = rest.split_at_mut(2);
    let mut read = proc_events::Fields::NONE;
    for field in Field::of(process) {
        read = read.with(field.name());
        let (place, behind) = rest.split_at_mut(field.length());
        match field {
            Field::Number(_, number) => place[0] = number,
            Field::Long(_, number) => (place[0], place[1]) = halves(number),
            Field::Text(_, text) => write_text(text, place),
        }
        rest = behind;
    }
    masks[0] = process.requested.bits().into();
    masks[1] = read.bits().into();
}

/// A field that was read.
enum Field<'a> {
    Number(proc_events::Field, u32),
    Long(proc_events::Field, u64),
    Text(proc_events::Field, &'a str),
}

impl<'a> Field<'a> {
    /// In the order of their bits.
    fn of(process: &'a ProcessInfo) -> impl Iterator<Item = Self> {
        use proc_events::Field as Name;
        let text = |name, text: &'a Option<Box<str>>| text.as_deref().map(|text| Self::Text(name, text));
        let number = |name, number: Option<u32>| number.map(|number| Self::Number(name, number));
        let argv = |argv: &'a Argv| Self::Text(Name::Argv, &argv.text);
        [
            text(Name::Name, &process.name),
            number(Name::Ppid, process.ppid),
            text(Name::Exe, &process.exe),
            process.argv.as_ref().map(argv),
            text(Name::Cwd, &process.cwd),
            number(Name::Uid, process.uid),
            number(Name::Gid, process.gid),
            text(Name::Cgroup, &process.cgroup),
            process.start_time.map(|ticks| Self::Long(Name::StartTime, ticks)),
        ]
        .into_iter()
        .flatten()
    }

    const fn name(&self) -> proc_events::Field {
        match self {
            Self::Number(name, _) | Self::Long(name, _) | Self::Text(name, _) => *name,
        }
    }

    const fn length(&self) -> usize {
        match self {
            Self::Number(..) => 1,
            Self::Long(..) => 2,
            Self::Text(_, text) => text_length(text),
        }
    }
}

/// One word for the length in bytes, then the bytes.
const fn text_length(text: &str) -> usize {
    1 + text.len().div_ceil(4)
}

fn write_text(text: &str, words: &mut [u32]) {
    let (length, words) = words.split_at_mut(1);
    length[0] = text.len() as u32;
    for (word, bytes) in words.iter_mut().zip(text.as_bytes().chunks(4)) {
        let mut padded = [0; 4];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_ne_bytes(padded);
    }
}

const fn halves(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}
