//! Single histories that could mislead the tracker.

use proc_events::cursor::rest::Lives;
use proc_events::cursor::tracker::CursorTracker;

use crate::harness::{Harness, MS};
use crate::pid_machine::PidMachine;

fn harness() -> Harness {
    Harness::new(PidMachine::default())
}

#[test]
fn process_is_reported_from_its_fork_to_its_exit() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.wake();
    assert_eq!(h.take(), ["fork 2"]);
    assert!(h.tracker.next_look_ns().unwrap() <= h.now_ns + MS / 5);
    h.machine.exec(pid);
    h.advance(MS / 5);
    h.wake();
    assert_eq!(h.take(), ["exec 2"]);
    h.machine.exec(pid);
    h.advance(2 * MS);
    h.wake();
    assert_eq!(h.take(), ["exec 2 again"]);
    h.machine.exit(pid, 3);
    h.wake();
    assert_eq!(h.take(), ["exit 2 3"]);
    h.machine.reap(pid);
    h.wake();
    assert!(h.take().is_empty() && h.tracker.is_empty() && h.machine.watched.is_empty());
}

#[test]
fn lives_are_counted_by_their_length() {
    let mut h = harness();
    h.tracker.set_short_ns(3 * MS);
    h.tracker.take_lives();
    for lived_ns in [MS, 3 * MS] {
        let pid = h.machine.fork().unwrap();
        h.wake();
        h.advance(lived_ns);
        h.machine.exit(pid, 0);
        h.wake();
        h.machine.reap(pid);
        h.wake();
    }
    assert_eq!(h.tracker.take_lives(), Lives { started: 2, ended: 2, short: 1 });
    // It is gone before the tracker can look at it.
    let pid = h.machine.fork().unwrap();
    h.machine.exit(pid, 0);
    h.machine.reap(pid);
    h.wake();
    h.advance(MS);
    h.wake();
    assert_eq!(h.tracker.take_lives(), Lives { started: 0, ended: 1, short: 1 });
    h.take();
}

#[test]
fn exec_of_a_zombie_is_reported_before_its_exit() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.wake();
    h.machine.exec(pid);
    h.machine.exit(pid, 0);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2", "exit 2 0"]);
}

#[test]
fn id_that_is_free_again_is_counted_after_a_second_look() {
    let mut h = harness();
    h.machine.run(0).unwrap();
    h.machine.start_thread().unwrap();
    h.wake();
    assert_eq!(h.unseen, 0, "the process may be in its creation");
    h.advance(MS);
    h.wake();
    assert_eq!((h.unseen, h.take().len()), (1, 0), "a thread is not unseen");
}

#[test]
fn process_that_cannot_be_found_by_its_new_id_yet_is_found_a_little_later() {
    let mut h = harness();
    h.machine.last += 1;
    h.wake();
    h.machine.last -= 1;
    h.machine.fork().unwrap();
    h.wake();
    assert_eq!((h.take(), h.unseen), (vec!["fork 2".to_owned()], 0));
}

#[test]
fn ids_after_a_wrap_are_looked_at_from_both_ends() {
    let mut h = Harness::new(PidMachine { last: 97, pid_max: 100, ..PidMachine::default() });
    let pids: Vec<_> = (0..4).map(|_| h.machine.fork().unwrap()).collect();
    assert_eq!(pids, [98, 99, 1, 2]);
    h.wake();
    assert_eq!(h.take(), ["fork 98", "fork 99", "fork 1", "fork 2"]);
}

#[test]
fn too_many_new_ids_are_replaced_by_a_list() {
    let mut h = harness();
    h.machine.last = 1_000_000;
    h.machine.fork().unwrap();
    h.wake();
    assert_eq!((h.take(), h.unseen), (vec!["fork 1000001".to_owned()], 0));
    let mut tracker = CursorTracker::<usize>::new(5);
    assert!(
        tracker.on_cursor(&mut h.machine, 4, 0) && tracker.take_needs_list(),
        "a wrap of four million ids"
    );
}

#[test]
fn reused_id_is_the_exit_of_one_process_and_the_fork_of_the_next() {
    let mut h = Harness::new(PidMachine { pid_max: 4, ..PidMachine::default() });
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    h.take();
    h.machine.exit(pid, 7);
    h.machine.reap(pid);
    while h.machine.last + 1 != pid {
        let last = h.machine.run(0).unwrap();
        h.tracker.on_cursor(&mut h.machine, last, h.now_ns);
    }
    assert_eq!(h.machine.fork(), Some(pid));
    h.machine.run(0).unwrap();
    let (tracker, machine) = (&mut h.tracker, &mut h.machine);
    let exits = machine.take_exits();
    // The cursor shows the new process before the pidfd of the old one is handled.
    tracker.on_cursor(machine, machine.last, h.now_ns);
    for (pid, generation) in exits {
        tracker.on_exit(machine, pid, generation, h.now_ns);
    }
    h.wake();
    let events = h.take();
    let of_pid: Vec<_> = events.iter().filter(|event| event.contains(&format!(" {pid}"))).collect();
    assert_eq!(of_pid, ["exit 2 7", "fork 2"]);
}

#[test]
fn exit_without_a_visible_status_waits_until_the_parent_has_reaped_the_process() {
    let mut h = Harness::new(PidMachine { hides_statuses: true, ..PidMachine::default() });
    let [first, second] = [(); 2].map(|()| h.machine.fork().unwrap());
    h.wake();
    h.take();
    h.machine.exit(first, 4);
    h.machine.exit(second, 5);
    h.wake();
    assert!(h.take().is_empty());
    h.machine.reap(first);
    h.advance(MS);
    h.wake();
    assert_eq!(h.take(), ["exit 2 4"]);
    h.advance(20 * MS);
    h.wake();
    assert_eq!(h.take(), ["exit 3"], "its parent does not reap it");
}

#[test]
fn exec_waits_for_its_arguments_for_two_milliseconds() {
    let mut h = Harness::new(PidMachine { hides_arguments: true, ..PidMachine::default() });
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    assert_eq!(h.take(), ["fork 2"]);
    h.advance(MS);
    h.wake();
    assert!(h.take().is_empty());
    h.advance(MS);
    h.wake();
    assert_eq!(h.take(), ["exec 2"]);
}

#[test]
fn exec_that_was_seen_is_reported_if_the_process_is_gone_before_its_arguments_are_there() {
    let mut h = Harness::new(PidMachine { hides_arguments: true, ..PidMachine::default() });
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    h.machine.exit(pid, 0);
    h.machine.reap(pid);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2", "exit 2 0"]);
}

#[test]
fn process_that_vanishes_while_it_is_read_still_has_its_exit() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.machine.vanishing = Some(pid);
    h.wake();
    h.wake();
    assert_eq!(h.take(), ["exit 2 1"]);
}

#[test]
fn zombie_is_not_reported_again_by_a_list_or_after_a_wrap() {
    let mut h = Harness::new(PidMachine { pid_max: 6, ..PidMachine::default() });
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    h.machine.exit(pid, 0);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2", "exit 2 0"]);
    h.list();
    for _ in 0..8 {
        h.machine.run(0).unwrap();
        h.wake();
    }
    assert!(h.take().is_empty());
    h.machine.reap(pid);
    h.wake();
    assert!(h.tracker.is_empty());
}

#[test]
fn zombie_whose_exit_a_snapshot_has_shown_is_not_reported_by_a_list() {
    let mut h = Harness::new(PidMachine { free_descriptors: 0, ..PidMachine::default() });
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.wake();
    h.snapshot();
    h.machine.exit(pid, 0);
    h.snapshot();
    assert_eq!(h.take(), ["exec 2", "exit 2"]);
    h.machine.free_descriptors = 1;
    h.list();
    is_forgotten_unreported(&mut h, pid);
}

/// Asserts that a zombie is not reported, and is forgotten once its parent has reaped it.
fn is_forgotten_unreported(h: &mut Harness, zombie: u32) {
    h.wake();
    assert!(h.take().is_empty());
    h.machine.reap(zombie);
    h.wake();
    assert!(h.take().is_empty() && h.tracker.is_empty());
}

#[test]
fn hidden_process_is_not_reported() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.machine.hidden.insert(pid);
    h.wake();
    h.machine.exit(pid, 0);
    h.wake();
    assert!(h.take().is_empty() && h.machine.free_descriptors == usize::MAX);
}

#[test]
fn process_without_a_descriptor_or_a_watch_is_left_to_the_snapshots() {
    for (free_descriptors, free_watches) in [(1, usize::MAX), (usize::MAX, 1)] {
        let mut h = Harness::new(PidMachine { free_descriptors, free_watches, ..PidMachine::default() });
        let [first, second] = [(); 2].map(|()| h.machine.fork().unwrap());
        h.wake();
        assert_eq!(h.take(), ["fork 2"]);
        assert!(h.tracker.is_limited());
        h.machine.exec(second);
        h.snapshot();
        assert_eq!(h.take(), ["exec 3"]);
        h.machine.exit(first, 0);
        h.machine.reap(first);
        h.wake();
        h.list();
        assert!(!h.tracker.is_limited(), "the second process has the descriptor of the first");
        h.machine.exit(second, 9);
        h.wake();
        assert_eq!(h.take(), ["exit 2 0", "fork 3", "exit 3 9"]);
    }
}

#[test]
fn started_program_makes_young_processes_be_looked_at_at_once() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.wake();
    h.machine.exec(pid);
    h.tracker.on_program_opened(h.now_ns, 0);
    h.wake();
    assert_eq!(h.take(), ["fork 2", "exec 2"]);
}

#[test]
fn exec_is_awaited_for_a_moment_after_the_fork() {
    let mut h = harness();
    assert!(!h.tracker.awaits_exec(h.now_ns));
    let [program, worker] = [(); 2].map(|()| h.machine.fork().unwrap());
    h.wake();
    assert!(h.tracker.awaits_exec(h.now_ns));
    h.advance(MS);
    h.machine.exec(program);
    h.machine.exit(worker, 0);
    h.machine.reap(worker);
    h.wake();
    assert!(!h.tracker.awaits_exec(h.now_ns), "one has called exec, the other has exited");
    h.machine.fork().unwrap();
    h.wake();
    assert!(h.tracker.awaits_exec(h.now_ns));
    assert!(!h.tracker.awaits_exec(h.now_ns + 3 * MS), "it is not about to call exec");
}

#[test]
fn exec_that_a_snapshot_has_shown_is_not_reported_again() {
    let mut h = harness();
    let pid = h.machine.fork().unwrap();
    h.machine.exec(pid);
    h.snapshot();
    h.wake();
    assert_eq!((h.take(), h.ignored), (vec!["exec 2".to_owned(), "fork 2".to_owned()], 1));
}

#[test]
fn processes_of_the_first_list_have_an_exit_and_only_later_execs() {
    let mut machine = PidMachine::default();
    let [shell, worker] = [(); 2].map(|()| machine.fork().unwrap());
    machine.exec(shell);
    let mut h = Harness::new(machine);
    h.machine.exec(worker);
    h.advance(MS);
    h.wake();
    h.machine.exit(shell, 0);
    h.machine.exit(worker, 1);
    h.wake();
    assert_eq!(h.take(), ["exec 3", "exit 2 0", "exit 3 1"]);
}

#[test]
fn exec_of_an_old_process_is_reported_by_a_list_or_with_its_exit() {
    let mut h = harness();
    let [server, worker, wrapper] = [(); 3].map(|()| h.machine.fork().unwrap());
    h.machine.exec(wrapper);
    h.wake();
    h.advance(10_000 * MS);
    h.wake();
    h.take();
    h.list();
    assert!(h.take().is_empty() && h.tracker.next_look_ns().is_none());
    for pid in [server, worker, wrapper] {
        h.machine.exec(pid);
    }
    h.machine.exit(worker, 3);
    h.wake();
    assert_eq!(h.take(), ["exec 3", "exit 3 3"]);
    h.list();
    assert_eq!(h.take(), ["exec 2", "exec 4 again"]);
    h.list();
    assert!(h.take().is_empty());
}

#[test]
fn opened_program_shortens_the_wait_for_an_exec_and_never_prolongs_it() {
    let mut h = harness();
    h.machine.fork().unwrap();
    h.wake();
    let due_ns = h.tracker.next_look_ns().unwrap();
    h.tracker.on_program_opened(h.now_ns, MS);
    assert_eq!(h.tracker.next_look_ns(), Some(due_ns));
    h.tracker.on_program_opened(h.now_ns, 7);
    assert_eq!(h.tracker.next_look_ns(), Some(h.now_ns + 7));
}

#[test]
fn idle_processes_cost_no_looks() {
    let mut h = harness();
    for _ in 0..100 {
        let pid = h.machine.fork().unwrap();
        h.machine.exec(pid);
    }
    h.wake();
    while let Some(next_ns) = h.tracker.next_look_ns() {
        h.now_ns = h.now_ns.max(next_ns);
        h.wake();
    }
    let looks = h.machine.looks;
    assert!(looks <= 1_000, "{looks}");
    h.advance(1_000 * MS);
    h.wake();
    assert_eq!(h.machine.looks, looks);
}

#[test]
fn zombie_of_the_first_list_has_ended_before_the_start() {
    let mut machine = PidMachine::default();
    let pid = machine.fork().unwrap();
    machine.exit(pid, 3);
    is_forgotten_unreported(&mut Harness::new(machine), pid);
}

#[test]
fn reaped_processes_are_forgotten_where_the_pidfd_does_not_show_it() {
    for is_seen in [true, false] {
        let mut h = harness();
        h.machine.forgets_statuses = true;
        for _ in 0..100 {
            let pid = h.machine.fork().unwrap();
            h.machine.exec(pid);
            h.wake();
            h.machine.exit(pid, 3);
            if is_seen {
                h.wake();
            }
            h.machine.reap(pid);
            h.advance(30 * MS);
            h.wake();
        }
        h.advance(30 * MS);
        h.wake();
        assert!(h.tracker.len() <= 3, "{} are known", h.tracker.len());
        assert_eq!(h.table.len(), 0);
    }
}
