//! The works that are measured.

use std::hint::black_box;
use std::sync::Arc;

use proc_events::connector::bpf;
use proc_events::connector::wire::{self, DATAGRAM_LEN, what};
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::process::table::ProcessTable;
use proc_events::procfs::{name, parse};
use proc_events::{
    EventData, EventType, EventTypes, Field, Fields, FilterRule, Interest, Origin, ProcessEvent, ProcessInfo,
};

use crate::pipeline;

/// A task of the core that is measured.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// The number of events that it handles at once; 0: it handles requests, not events.
    pub(crate) events: u64,
    /// Prepares it, and returns a function that does it once.
    pub(crate) prepare: fn() -> Box<dyn FnMut()>,
}

pub(crate) const ALL: [Work; 10] = [
    Work { name: "decode", events: 2, prepare: || Box::new(decode()) },
    Work { name: "filter-program", events: 0, prepare: || Box::new(program) },
    Work { name: "table", events: 2, prepare: || Box::new(table()) },
    Work { name: "queue", events: BATCH, prepare: || Box::new(queue(0, other_name)) },
    Work { name: "queue-100-names", events: BATCH, prepare: || Box::new(queue(100, other_name)) },
    Work { name: "queue-10000-pids", events: BATCH, prepare: || Box::new(queue(RULES, other_pid)) },
    Work { name: "rule-among-10000", events: 2, prepare: || Box::new(rule()) },
    Work { name: "parse-stat", events: 1, prepare: || Box::new(stat) },
    Work { name: "parse-details", events: 1, prepare: || Box::new(details) },
    Work {
        name: "receive-and-drain",
        events: pipeline::EVENTS,
        prepare: || Box::new(pipeline::receive_and_drain()),
    },
];

/// The number of rules of a subscriber that match other processes.
const RULES: u32 = 10_000;
/// The number of events that are pushed at once: as many as one read returns.
const BATCH: u64 = 64;
pub(crate) const LIFECYCLE: Interest =
    Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE, recapture: false };

const STAT: &[u8] = b"12345 (some) program) S 1234 12345 12345 34816 12345 4194304 102 0 0 0 0 0 0 0 20 0 1 0 8765432 \
    10485760 1024 18446744073709551615 94371840 94375936 140737488347136 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 94380000 \
    94381000 94400000 140737488348000 140737488348020 140737488348020 140737488351210 0\n";
const STATUS: &[u8] =
    b"Name:\tprogram\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t12345\nNgid:\t0\nPid:\t12345\n\
    PPid:\t1234\nTracerPid:\t0\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nFDSize:\t64\n";
const CMDLINE: &[u8] = b"/usr/bin/program-with-a-long-name\0--option\0value\0/some/where/a-file.txt\0";
const CGROUP: &[u8] = b"0::/user.slice/user-1000.slice/session-1.scope\n";

/// Returns the datagrams of an exec and of the exit, as the kernel sends them.
pub(crate) fn exec_and_exit(pid: u32, timestamp_ns: u64) -> [[u8; DATAGRAM_LEN]; 2] {
    let exec = wire::datagram(what::PROC_EVENT_EXEC, pid, timestamp_ns, &[pid, pid]);
    let exit = wire::datagram(what::PROC_EVENT_EXIT, pid, timestamp_ns + 1, &[pid, pid, 0, 17, 1, 1]);
    [exec, exit]
}

fn decode() -> impl FnMut() {
    let datagrams = exec_and_exit(1000, 1 << 40);
    move || {
        for datagram in &datagrams {
            let message = wire::parse(black_box(datagram));
            debug_assert!(message.is_ok());
            let _: Result<_, _> = black_box(message);
        }
    }
}

fn program() {
    black_box(bpf::program(black_box(EventTypes::LIFECYCLE), black_box(1000), &[]));
}

fn stat() {
    black_box(parse::stat(black_box(STAT)));
}

/// One process starts and exits among ten thousand.
fn table() -> impl FnMut() {
    let mut table = ProcessTable::default();
    let mut events = Vec::new();
    let parse = |datagram: [u8; DATAGRAM_LEN]| wire::parse(&datagram).expect("as the kernel sends it");
    for pid in 1..=10_000 {
        let [exec, _] = exec_and_exit(pid, u64::from(pid)).map(parse);
        table.apply(&exec, None, &mut events);
    }
    let mut messages = exec_and_exit(20_000, 1 << 40).map(parse);
    move || {
        for message in &mut messages {
            message.timestamp_ns += 10_000;
            table.apply(black_box(message), None, &mut events);
        }
        black_box(&mut events).clear();
    }
}

fn other_name(number: u32) -> FilterRule {
    let name = Some(format!("other-{number}").into());
    FilterRule {
        types: EventTypes::LIFECYCLE,
        fields: Fields::NONE.with(Field::Name),
        name,
        ..FilterRule::default()
    }
}

fn other_pid(number: u32) -> FilterRule {
    FilterRule {
        types: EventTypes::of(EventType::Exec),
        pid: Some(100_000 + number),
        ..FilterRule::default()
    }
}

/// One rule is added and removed, as for a wait.
fn rule() -> impl FnMut() {
    let queue = SubscriberQueue::new(1 << 16, LIFECYCLE, Box::new(|| {}));
    for rule in (0..RULES).map(other_pid) {
        queue.add_rule(&rule);
    }
    let one = other_pid(RULES);
    move || {
        black_box(queue.add_rule(black_box(&one)));
        black_box(queue.remove_rule(black_box(&one)));
    }
}

/// Events pass the queue of a subscriber, or not, if all its rules match other processes.
fn queue(count: u32, rule: fn(u32) -> FilterRule) -> impl FnMut() {
    let queue = SubscriberQueue::new(1 << 16, LIFECYCLE, Box::new(|| {}));
    let fields = Fields::NONE.with(Field::Name);
    if count > 0 {
        queue.set_filter_rules(&(0..count).map(rule).collect::<Vec<_>>());
    }
    queue.deliver_scan(std::iter::empty(), 1);
    let process = ProcessInfo { requested: fields, name: Some("program".into()), ..ProcessInfo::default() };
    let exec = ProcessEvent::new(
        1000,
        1 << 40,
        Origin::Kernel,
        EventData::Exec { again: false },
        Some(Arc::new(process)),
    );
    let events = vec![exec; BATCH as usize];
    let mut notifications = Vec::new();
    move || {
        queue.push(black_box(&events));
        queue.take(usize::MAX, &mut notifications);
        black_box(&mut notifications).clear();
    }
}

fn details() {
    black_box(parse::real_ids(black_box(STATUS)));
    black_box(parse::cgroup_path(black_box(CGROUP)));
    black_box(parse::argv(black_box(CMDLINE), false, 64 * 1024));
    let exe = b"/usr/bin/program-with-a-long-name";
    black_box(name::at_exec(black_box(b"program-with-a-"), CMDLINE, exe));
}
