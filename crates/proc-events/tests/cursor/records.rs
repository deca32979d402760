//! Single histories where the kernel records processes.

use proc_events::model::report::Change;
use proc_events::perf::record::{TaskChange, TaskRecord};
use proc_events::{Field, Fields, Origin};

use crate::harness::{Harness, MS};
use crate::pid_machine::PidMachine;

fn harness() -> Harness {
    let mut h = Harness::new(PidMachine::default());
    h.machine.records = Some(Vec::new());
    h
}

/// Returns a harness in which programs are requested, and a process that has called exec. The records of that are not read yet.
fn execed() -> (Harness, u32) {
    let mut h = harness();
    h.machine.requested = Fields::NONE.with(Field::Exe);
    let pid = h.machine.fork().unwrap();
    h.wake();
    assert_eq!(h.take(), ["fork 2"]);
    h.machine.exec(pid);
    (h, pid)
}

#[test]
fn recorded_process_is_never_looked_at_again() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.wake();
    assert_eq!((h.take(), h.tracker.next_look_ns()), (vec!["fork 2".to_owned()], None));
    h.machine.exec(pid);
    h.wake();
    assert_eq!((h.take(), h.tracker.next_look_ns()), (vec!["exec 2".to_owned()], None));
    h.machine.exec(pid);
    h.machine.exec(pid);
    h.wake();
    assert_eq!(h.take(), ["exec 2 again", "exec 2 again"]);
    h.machine.exit(pid, 3);
    h.machine.reap(pid);
    h.wake();
    assert_eq!(h.take(), ["exit 2 3"]);
    assert!(h.tracker.is_empty() && h.machine.watched.is_empty() && h.tracker.next_look_ns().is_none());
}

#[test]
fn process_that_is_gone_before_its_records_are_read_is_reported_without_a_status() {
    let mut h = harness();
    h.machine.run(3).unwrap();
    h.wake();
    assert_eq!((h.take(), h.unseen), (vec!["fork 2".into(), "exec 2".into(), "exit 2".into()], 0));
    assert!(h.tracker.is_empty() && h.table.is_empty());
}

#[test]
fn program_of_a_process_that_is_gone_is_in_a_record_that_is_read_later() {
    // The thread may not get the CPU for any time.
    for (late_ns, is_reaped) in
        [0, MS, 50 * MS].into_iter().flat_map(|late_ns| [(late_ns, true), (late_ns, false)])
    {
        let (mut h, pid) = execed();
        h.machine.exit(pid, 3);
        if is_reaped {
            h.machine.reap(pid);
        }
        let mut records = h.machine.take_records().into_iter();
        let (exec, exit) = (records.next().unwrap(), records.next().unwrap());
        let path: Box<[u8]> = (*b"/bin/gone").into();
        let mapped = TaskRecord { change: TaskChange::Mapped { path }, ..exec.clone() };
        h.now_ns = h.machine.now_ns;
        // The ring has the other records by now, but they were written after it was read.
        h.tracker.on_record(&mut h.machine, exec, h.now_ns);
        h.advance(late_ns);
        h.tracker.look_at_due(&mut h.machine, h.now_ns);
        assert!(h.tracker.take_reports().is_empty());
        for record in [mapped, exit] {
            h.tracker.on_record(&mut h.machine, record, h.now_ns);
        }
        let exits = h.machine.take_exits();
        for (pid, generation) in exits {
            h.tracker.on_exit(&mut h.machine, pid, generation, h.now_ns);
        }
        let reports = h.tracker.take_reports();
        let [Change::Execed(observed), Change::Exited { status, .. }] =
            &[&reports[0], &reports[1]].map(|it| &it.change)
        else {
            panic!("{reports:?}");
        };
        assert_eq!(observed.process.as_ref().unwrap().exe.as_deref(), Some("/bin/gone"));
        assert_eq!(status.and_then(proc_events::ExitStatus::code), Some(3));
    }
}

#[test]
fn exec_whose_program_is_not_recorded_is_reported_without_it() {
    let (mut h, pid) = execed();
    // It ends between the look and the reading of its files.
    h.machine.vanishing = Some(pid);
    let records = h.machine.take_records();
    h.now_ns = h.machine.now_ns;
    let is_path = |record: &TaskRecord| matches!(record.change, TaskChange::Mapped { .. });
    for record in records.into_iter().filter(|record| !is_path(record)) {
        h.tracker.on_record(&mut h.machine, record, h.now_ns);
    }
    for execs in [0, 1] {
        h.advance(3 * MS);
        h.tracker.look_at_due(&mut h.machine, h.now_ns);
        let reports = h.tracker.take_reports();
        let count = reports.iter().filter(|report| matches!(report.change, Change::Execed(_))).count();
        assert_eq!(count, execs, "the records are read once more before the exec is reported");
    }
}

#[test]
fn process_that_the_cursor_finds_before_its_record_is_reported_once() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.look_at_ids();
    h.machine.exec(pid);
    h.advance(MS / 5);
    h.look_at_ids();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
    h.wake();
    assert!(h.take().is_empty());
    h.machine.exec(pid);
    h.machine.exit(pid, 0);
    h.wake();
    assert_eq!(h.take(), ["exec 2 again", "exit 2 0"]);
}

#[test]
fn process_that_is_gone_when_the_cursor_finds_it_has_a_fork_and_one_exit() {
    let mut h = harness();
    h.machine.vanishing = h.machine.fork();
    h.look_at_ids();
    h.wake();
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exit 2 1"]);
}

#[test]
fn exec_that_the_cursor_waits_for_is_reported_once_its_record_comes() {
    let mut h = harness();
    h.machine.hides_arguments = true;
    let pid = h.machine.fork().unwrap();
    h.look_at_ids();
    h.machine.exec(pid);
    h.advance(MS / 5);
    h.look_at_ids();
    h.wake();
    h.advance(2 * MS);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
}

#[test]
fn process_without_a_descriptor_exits_with_its_last_thread() {
    let mut h = harness();
    h.machine.free_descriptors = 0;
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
    let record = |h: &mut Harness, tid, change| {
        h.now_ns += MS;
        let record = TaskRecord { time_ns: h.now_ns, pid, tid, change };
        h.tracker.on_record(&mut h.machine, record, h.now_ns);
        h.tracker.take_reports().len()
    };
    assert_eq!(record(&mut h, 7, TaskChange::Forked { ppid: pid }), 0);
    assert_eq!(record(&mut h, pid, TaskChange::Exited { ppid: 1 }), 0, "another thread runs");
    h.machine.exiting.insert(pid);
    assert_eq!(record(&mut h, 7, TaskChange::Exited { ppid: 1 }), 1);
}

/// Returns a program whose last thread has exited at the returned time, as a record shows. It has no further ones.
fn left(h: &mut Harness) -> (u32, u64) {
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    let (time_ns, change) = (h.now_ns + 1, TaskChange::Exited { ppid: 1 });
    h.tracker.on_record(&mut h.machine, TaskRecord { time_ns, pid, tid: pid, change }, h.now_ns + 1);
    h.machine.unrecorded.insert(pid);
    (pid, time_ns)
}

#[test]
fn process_that_runs_on_without_records_is_looked_at() {
    let mut h = harness();
    // The kernel ends the events of a process that gets other rights by an exec, and reports that as an exit.
    let (pid, _) = left(&mut h);
    h.take();
    h.machine.exec(pid);
    h.advance(3 * MS);
    h.wake();
    h.wake();
    assert_eq!(h.take(), ["exec 2 again"]);
    h.machine.exit(pid, 4);
    h.wake();
    assert_eq!(h.take(), ["exit 2 4"]);
}

#[test]
fn exit_that_a_late_look_comes_upon_has_the_time_of_its_record() {
    let mut h = harness();
    let (pid, time_ns) = left(&mut h);
    // Its pidfd does not show the exit yet when it is looked at, and its files are gone then.
    h.machine.vanishing = Some(pid);
    h.tracker.look_at_due(&mut h.machine, h.now_ns + 3 * MS);
    for (pid, generation) in h.machine.take_exits() {
        h.tracker.on_exit(&mut h.machine, pid, generation, h.now_ns + 3 * MS);
    }
    let reports = h.tracker.take_reports();
    let exits = reports.iter().filter(|report| matches!(report.change, Change::Exited { .. }));
    assert_eq!(
        exits.map(|exit| (exit.pid, exit.origin, exit.timestamp_ns)).collect::<Vec<_>>(),
        [(pid, Origin::Kernel, time_ns)]
    );
}

#[test]
fn hidden_process_that_runs_on_without_records_is_not_checked_for_ever() {
    let mut h = harness();
    let (pid, _) = left(&mut h);
    h.machine.hidden.insert(pid);
    for _ in 0..3 {
        h.advance(20 * MS);
        h.wake();
    }
    assert_eq!(h.tracker.next_look_ns(), None);
    h.machine.exit(pid, 4);
    h.machine.reap(pid);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2", "exit 2 4"]);
}

#[test]
fn process_whose_first_thread_has_left_is_checked_ever_more_rarely() {
    let mut h = harness();
    let (pid, _) = left(&mut h);
    h.machine.exiting.insert(pid);
    let looks = h.machine.looks;
    for _ in 0..1_000 {
        h.advance(10 * MS);
        h.wake();
    }
    let looks = h.machine.looks - looks;
    assert!((8..=24).contains(&looks), "{looks} looks in ten seconds");
}

#[test]
fn processes_are_looked_at_once_there_are_no_more_records() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.wake();
    h.end_records();
    h.machine.exec(pid);
    h.advance(MS);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
}

#[test]
fn list_leaves_a_change_whose_record_is_not_read_yet_to_that_record() {
    let mut h = Harness::new(PidMachine::default());
    let running = h.machine.fork().unwrap();
    h.wake();
    h.advance(2_000 * MS);
    h.wake();
    h.take();
    h.machine.records = Some(Vec::new());
    h.tracker.set_record_ns(10_000 * MS);
    h.machine.exec(running);
    let new = h.machine.fork().unwrap();
    h.list();
    assert!(h.take().is_empty());
    assert!(h.tracker.next_look_ns().is_some(), "the exec is looked for if its record is lost");
    h.wake();
    assert_eq!(h.take(), [format!("exec {running}"), format!("fork {new}")]);
    assert_eq!(h.tracker.next_look_ns(), None);
}

#[test]
fn list_shows_a_change_whose_record_is_lost() {
    let mut h = harness();
    h.tracker.set_record_ns(600 * MS);
    let new = h.machine.fork().unwrap();
    h.machine.exec(new);
    h.machine.take_records();
    h.list();
    assert!(h.take().is_empty());
    h.advance(600 * MS);
    h.list();
    assert_eq!(h.take(), [format!("fork {new}"), format!("exec {new}")]);
    h.advance(2_000 * MS);
    h.tracker.look_at_due(&mut h.machine, h.now_ns);
    assert_eq!(h.tracker.next_look_ns(), None);
    h.machine.exec(new);
    h.machine.take_records();
    h.list();
    assert!(h.take().is_empty());
    h.advance(600 * MS);
    h.wake();
    assert_eq!(h.take(), [format!("exec {new} again")]);
}

#[test]
fn library_is_not_taken_for_a_program_whose_record_is_lost() {
    let (mut h, pid) = execed();
    h.machine.exit(pid, 3);
    h.machine.reap(pid);
    let records = h.machine.take_records();
    h.now_ns = h.machine.now_ns;
    for mut record in records {
        if let TaskChange::Mapped { path } = &mut record.change {
            h.tracker.on_lost_programs();
            *path = (*b"/lib/libc.so.6").into();
        }
        h.tracker.on_record(&mut h.machine, record, h.now_ns);
    }
    for (pid, generation) in h.machine.take_exits() {
        h.tracker.on_exit(&mut h.machine, pid, generation, h.now_ns);
    }
    let reports = h.tracker.take_reports();
    let Change::Execed(observed) = &reports[0].change else { panic!("{reports:?}") };
    assert_eq!(observed.process.as_ref().unwrap().exe, None);
}

#[test]
fn exit_whose_record_is_read_seconds_late_is_reported() {
    let mut h = harness();
    // The program was stopped meanwhile.
    h.machine.run(3).unwrap();
    h.advance(1_500 * MS);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2", "exit 2"]);
    assert!(h.tracker.is_empty() && h.table.is_empty());
}

#[test]
fn process_whose_record_is_late_is_not_taken_for_another_one() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    let mut records = h.machine.take_records();
    h.look_at_ids();
    assert_eq!(h.take(), ["fork 2"]);
    // The parent lost the CPU before the record.
    let record = TaskRecord { time_ns: h.now_ns + 5 * MS, ..records.pop().unwrap() };
    h.advance(6 * MS);
    h.machine.now_ns = h.now_ns;
    h.tracker.on_record(&mut h.machine, record, h.now_ns);
    h.wake();
    assert!(h.take().is_empty());
    h.machine.exec(pid);
    h.machine.exit(pid, 3);
    h.wake();
    assert_eq!(h.take(), ["exec 2", "exit 2 3"]);
}

#[test]
fn process_that_cannot_be_watched_does_not_end_with_its_records() {
    let mut h = harness();
    h.machine.free_descriptors = 0;
    left(&mut h);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
    assert_eq!(h.tracker.next_look_ns(), None);
}
