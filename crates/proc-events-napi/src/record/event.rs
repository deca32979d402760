//! Event records: the head of each type of event, the process details, and the ancestry tags.

use proc_events::{EventData, ExitStatus, ProcessEvent, RunTime};

use super::layout::{
    ARGV_TRUNCATED, CORE_DUMPED, EXITED, HAS_ANCESTRY_TAGS, HAS_DURATION, HAS_PROCESS, HAS_USAGE, SIGNALED,
    SINCE_START,
};
use super::{process, text, usage};

/// Returns the number of words after the head.
pub(super) fn length(event: &ProcessEvent, subscriber: u32) -> usize {
    let process = event.process.as_ref().map_or(0, |process| process::length(process));
    process + usage_length(event) + ancestry_tags_length(event, subscriber)
}

/// Writes an event record. `rest` is as long as [`length`] returns.
pub(super) fn write(event: &ProcessEvent, subscriber: u32, head: &mut [u32], rest: &mut [u32]) {
    let mut flags = 0;
    head[2] = event.pid;
    (head[3], head[4]) = text::halves(event.timestamp_ns);
    match event.data {
        EventData::Fork { ppid } => head[5] = ppid,
        EventData::Exec { .. } | EventData::Sid => {}
        EventData::Exit { status, ppid, ran, known: _ } => {
            if let Some(status) = status {
                flags |= write_status(status, &mut head[5..]);
            }
            head[7] = ppid.unwrap_or(0);
            if let Some(RunTime::SinceExec(duration_ns) | RunTime::SinceStart(duration_ns)) = ran {
                flags |= HAS_DURATION;
                if matches!(ran, Some(RunTime::SinceStart(_))) {
                    flags |= SINCE_START;
                }
                (head[8], head[9]) = text::halves(duration_ns);
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
        process::write(process, rest);
    }
    let tags_length = ancestry_tags_length(event, subscriber);
    if let Some(cost) = &event.usage {
        flags |= HAS_USAGE;
        // Written before the tags, because the process details have a variable length.
        let end = rest.len() - tags_length;
        usage::write(cost, &mut rest[end - usage::LENGTH..end]);
    }
    if tags_length > 0 {
        flags |= HAS_ANCESTRY_TAGS;
        let mut count = 0;
        // Written from the end, because the process details before them have a variable length.
        for (target, id) in rest.iter_mut().rev().skip(1).zip(ancestry_tags(event, subscriber)) {
            *target = id;
            count += 1;
        }
        if let Some(last) = rest.last_mut() {
            *last = count;
        }
    }
    head[0] = event.data.event_type() as u32 | (event.origin as u32) << 8 | flags << 16;
}

/// Writes the exit code, then the signal. Returns the flags that say which of the two is set.
pub(super) fn write_status(status: ExitStatus, words: &mut [u32]) -> u32 {
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

fn usage_length(event: &ProcessEvent) -> usize {
    if event.usage.is_some() { usage::LENGTH } else { 0 }
}

/// Returns the ids of those ancestry tags that belong to the subscriber.
fn ancestry_tags(event: &ProcessEvent, subscriber: u32) -> impl Iterator<Item = u32> {
    let tags = event.ancestry.iter().flat_map(|tags| tags.iter());
    tags.filter(move |tag| tag.subscriber == subscriber).map(|tag| tag.id)
}

fn ancestry_tags_length(event: &ProcessEvent, subscriber: u32) -> usize {
    match ancestry_tags(event, subscriber).count() {
        0 => 0,
        count => count + 1,
    }
}
