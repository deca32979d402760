//! Exits of leaders, and execs by other threads of a process.

use proc_events::Fields;

use crate::harness::{Harness, MS, NOTHING, S};

#[test]
fn non_leader_exec_across_two_reads_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    // Another thread calls exec, and exits. The process is gone when the leader's exit is handled.
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.pipeline.drain(2).unwrap();
    assert_eq!(harness.events(), ["exec 10 - kernel"]);
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn non_leader_exec_sent_during_the_exit_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    // The socket is drained by then, and the process is gone when its liveness is read.
    harness.machine().on_liveness = Some(|machine| {
        machine.exec(10, 11 * S + MS);
        machine.exit(10, 11 * S + 2 * MS, 3);
    });
    harness.drain();
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn non_leader_exec_sent_during_a_watched_exit_keeps_the_process() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 0);
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.pipeline.on_watched_exits(&[], harness.at(11 * S)).unwrap();
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn non_leader_exec_after_a_leader_exit_with_status_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    // The leader exits, another thread calls exec, and the process exits before any report is handled.
    harness.machine().exit(10, 11 * S, 5);
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.drain();
    assert_eq!(harness.events(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn tentative_exit_is_held_for_one_read() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    for at in 0..9 {
        harness.machine().exec(11, 12 * S + at);
    }
    harness.pipeline.drain(2).unwrap();
    harness.pipeline.drain(2).unwrap();
    assert_eq!(
        harness.events(),
        ["exec 10 - kernel", "exit 10 =0 kernel", "exec 11 - kernel", "exec 11 - kernel"]
    );
}

#[test]
fn no_exit_is_synthesized_when_out_of_descriptors() {
    for is_last in [false, true] {
        let mut harness = Harness::with_a_process(Fields::NONE);
        // The leader exits, and the process goes on.
        harness.machine().is_out_of_pidfds = !is_last;
        harness.machine().is_out_of_files = is_last;
        harness.machine().exit(10, 11 * S, 0);
        harness.drain();
        assert_eq!(harness.events(), NOTHING);
        // Later there are descriptors.
        harness.machine().is_out_of_pidfds = false;
        harness.machine().is_out_of_files = false;
        harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
        if !is_last {
            harness.snapshot(12 * S);
        }
        assert!(harness.machine().watched.contains_key(&10));
        harness.machine().shown.remove(&10);
        harness.pipeline.on_watched_exits(&[10], harness.at(13 * S)).unwrap();
        assert_eq!(harness.events(), ["exit 10 =0 kernel"]);
    }
}

#[test]
fn zombie_missed_without_pidfd_is_reported_by_next_snapshot() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().is_out_of_pidfds = true;
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 3);
    harness.drain();
    assert_eq!(harness.events(), NOTHING);
    harness.machine().is_out_of_pidfds = false;
    harness.snapshot(12 * S);
    assert_eq!(harness.events(), ["exit 10 =3 resync", "loss 1 +0 -1"]);
}

#[test]
fn leaderless_process_without_watch_stays_alive() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().show(10, 9 * S, 1).leader_exited = true;
    harness.machine().is_out_of_pidfds = true;
    harness.snapshot_for_details(20 * S);
    assert_eq!(harness.events(), ["exec 10 1 resync", "loss 1 +1 -0"]);
    harness.snapshot(30 * S);
    assert_eq!(harness.events(), NOTHING);
}

#[test]
fn without_pidfds_leader_exit_is_process_exit() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().lacks_pidfds = true;
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert_eq!(harness.events(), ["exit 10 =0 kernel"]);
    harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    harness.snapshot_for_details(20 * S);
    assert_eq!(harness.events(), NOTHING);
}

#[test]
fn exit_of_one_process_keeps_the_watch_of_the_next() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert!(harness.machine().watched.contains_key(&10));
    // The process exits. The next one with its pid calls exec, and its leader exits, too.
    harness.machine().show(10, 15 * S, 2);
    harness.machine().exec(10, 16 * S);
    harness.machine().exit(10, 17 * S, 0);
    harness.pipeline.on_watched_exits(&[10], harness.at(18 * S)).unwrap();
    assert!(harness.pipeline.table.knows(10));
    assert!(harness.machine().watched.contains_key(&10), "its exit is not watched");
}

#[test]
fn failed_exit_watch_is_retried() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    harness.machine().show(11, 9 * S, 1);
    harness.machine().exec(11, 10 * S);
    harness.drain();
    for pid in [10, 11] {
        harness.machine().shown.get_mut(&pid).unwrap().leader_exited = true;
    }
    harness.machine().refuses_watches = true;
    harness.snapshot_for_details(20 * S);
    harness.machine().refuses_watches = false;
    harness.snapshot(30 * S);
    let watched: Vec<u32> = harness.machine().watched.keys().copied().collect();
    assert_eq!(watched, [10, 11]);
}

#[test]
fn earlier_watch_does_not_end_an_unwatchable_later_process() {
    let mut harness = Harness::with_a_process(Fields::NONE);
    // The leader exits, and the process is watched.
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert!(harness.machine().watched.contains_key(&10));
    // The process exits unnoticed, and its pid is reused by a process whose leader exits, too.
    harness.machine().show(10, 12 * S, 2).leader_exited = true;
    harness.machine().refuses_watches = true;
    harness.machine().exit(10, 13 * S, 0);
    harness.drain();
    assert!(!harness.machine().watched.contains_key(&10), "the watch is that of the earlier process");
}
