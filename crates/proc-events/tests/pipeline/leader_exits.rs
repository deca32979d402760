//! Exits of leaders: the process goes on while other threads run, and an exec by another thread retracts the exit.

use proc_events::Fields;

use crate::NOTHING;
use crate::harness::Harness;
use crate::machine::{MS, S};

#[test]
fn non_leader_exec_across_two_reads_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    // Another thread calls exec, and exits. The process is gone before the leader's exit is read.
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.drain_up_to(2);
    assert_eq!(harness.take(), ["exec 10 - kernel"]);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn non_leader_exec_during_liveness_check_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    // The other thread calls exec and exits after the socket was read, during the liveness check.
    harness.machine().on_liveness = Some(|machine| {
        machine.exec(10, 11 * S + MS);
        machine.exit(10, 11 * S + 2 * MS, 3);
    });
    harness.drain();
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn non_leader_exec_during_catch_up_keeps_the_process() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 0);
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.on_watched_exits(&[], 11 * S);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn exec_after_leader_exit_with_code_keeps_the_process() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    // The leader exits by itself, another thread calls exec, and the process exits, all before the first read.
    harness.machine().exit(10, 11 * S, 5);
    harness.machine().exec(10, 11 * S + MS);
    harness.machine().exit(10, 11 * S + 2 * MS, 3);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel", "exec 10 - kernel", "exit 10 =3 kernel"]);
}

#[test]
fn tentative_exit_is_held_for_one_read() {
    let mut harness = Harness::new(Fields::NONE);
    harness.machine().exec(10, 10 * S);
    harness.machine().exit(10, 11 * S, 0);
    for at in 0..9 {
        harness.machine().exec(11, 12 * S + at);
    }
    harness.drain_up_to(2);
    harness.drain_up_to(2);
    assert_eq!(
        harness.take(),
        ["exec 10 - kernel", "exit 10 =0 kernel", "exec 11 - kernel", "exec 11 - kernel"]
    );
}

#[test]
fn no_exit_is_synthesized_when_out_of_descriptors() {
    for is_out_of_files in [false, true] {
        let mut harness = Harness::with_process(Fields::NONE);
        // The leader exits, and the process goes on.
        harness.machine().is_out_of_pidfds = !is_out_of_files;
        harness.machine().is_out_of_files = is_out_of_files;
        harness.machine().exit(10, 11 * S, 0);
        harness.drain();
        assert_eq!(harness.take(), NOTHING);
        // Descriptors become free again.
        harness.machine().is_out_of_pidfds = false;
        harness.machine().is_out_of_files = false;
        harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
        if !is_out_of_files {
            harness.snapshot(12 * S);
        }
        assert!(harness.machine().is_watched(10));
        harness.machine().shown.remove(&10);
        harness.on_watched_exits(&[10], 13 * S);
        harness.expire_pending_exits_after_grace(14 * S);
        assert_eq!(harness.take(), ["exit 10 =0 kernel"]);
    }
}

#[test]
fn zombie_missed_without_pidfd_is_reported_by_next_snapshot() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().is_out_of_pidfds = true;
    harness.machine().shown.clear();
    harness.machine().exit(10, 11 * S, 3);
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
    harness.machine().is_out_of_pidfds = false;
    harness.snapshot(12 * S);
    assert_eq!(harness.take(), ["exit 10 =3 resync", "loss 1 +0 -1"]);
}

#[test]
fn without_pidfds_leader_exit_is_process_exit() {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().has_no_pidfds = true;
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =0 kernel"]);
    harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    harness.refresh(20 * S);
    assert_eq!(harness.take(), NOTHING);
}

#[test]
fn leaderless_process_that_exits_during_snapshot_keeps_its_status() {
    let mut harness = Harness::with_process(Fields::NONE);
    // The leader has exited. The other threads exit during the snapshot.
    harness.machine().shown.get_mut(&10).unwrap().leader_exited = true;
    harness.pipeline.resync.request_refresh();
    let snapshot = harness.begin_snapshot();
    harness.machine().on_liveness = Some(|machine| {
        machine.shown.remove(&10);
        machine.exit(10, 19 * S, 3);
    });
    harness.finish_snapshot(Ok(snapshot), 18 * S);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
}

/// Returns a harness with a process, 10, that goes on without its leader, which exited with 0 at 11 S.
fn with_leaderless_process() -> Harness {
    let mut harness = Harness::with_process(Fields::NONE);
    harness.machine().exit(10, 11 * S, 0);
    harness.drain();
    assert_eq!(harness.take(), NOTHING);
    assert_eq!(harness.pipeline.table.take_changed_leaderless(), Some(vec![10]));
    assert_eq!(harness.pipeline.table.take_changed_leaderless(), None);
    harness
}

#[test]
fn leaderless_process_has_the_status_of_its_last_thread() {
    for is_reported_before in [true, false] {
        let mut harness = with_leaderless_process();
        // A thread that ends before the process says nothing of it.
        harness.machine().exit_thread(12, 10, 12 * S, 7);
        harness.drain();
        harness.machine().shown.remove(&10);
        if is_reported_before {
            harness.machine().exit_thread(11, 10, 13 * S, 5);
        }
        harness.on_watched_exits(&[10], 13 * S + MS);
        if !is_reported_before {
            assert_eq!(harness.take(), NOTHING);
            // Another thread ended itself at the same time.
            harness.machine().exit_thread(13, 10, 13 * S + 2 * MS, 0);
            harness.drain();
            assert_eq!(harness.take(), NOTHING);
            harness.machine().exit_thread(11, 10, 13 * S + 3 * MS, 5);
            harness.drain();
        }
        assert_eq!(harness.take(), ["exit 10 =5 kernel"]);
        assert_eq!(harness.pipeline.expected_until(), None);
        assert_eq!(harness.pipeline.table.take_changed_leaderless(), Some(vec![]));
        assert!(!harness.machine().is_watched(10));
    }
}

#[test]
fn leaderless_process_has_the_status_of_its_leader_if_no_thread_is_reported() {
    let mut harness = with_leaderless_process();
    harness.machine().shown.remove(&10);
    harness.on_watched_exits(&[10], 12 * S);
    assert_eq!(harness.take(), NOTHING);
    harness.expire_pending_exits_after_grace(13 * S);
    assert_eq!(harness.take(), ["exit 10 =0 kernel"]);
}

#[test]
fn process_that_ends_with_its_leader_is_reported_at_once() {
    for (code, at_ns) in [(0, 11 * S + MS), (4, 12 * S)] {
        let mut harness = Harness::with_process(Fields::NONE);
        harness.machine().exit(10, 11 * S, code);
        harness.drain();
        harness.machine().shown.remove(&10);
        harness.on_watched_exits(&[10], at_ns);
        assert_eq!(harness.take(), [format!("exit 10 ={code} kernel")]);
    }
}

#[test]
fn exec_of_another_thread_ends_the_wait_for_the_last_thread() {
    let mut harness = with_leaderless_process();
    harness.machine().exec(10, 12 * S);
    harness.drain();
    assert_eq!(harness.take(), ["exec 10 - kernel"]);
    assert_eq!(harness.pipeline.table.take_changed_leaderless(), Some(vec![]));
    harness.machine().shown.clear();
    harness.machine().exit_thread(11, 10, 13 * S, 5);
    harness.machine().exit(10, 13 * S, 3);
    harness.drain();
    assert_eq!(harness.take(), ["exit 10 =3 kernel"]);
}
