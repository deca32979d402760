//! Rules that come and go: whatever the order, what passes is what one of those that are left asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use proc_events::descent::Follow;
use proc_events::outbox::Outbox;
use proc_events::{
    Ancestor, EventKind, EventType, Fields, Interest, Kinds, Notice, Origin, ProcessEvent, ProcessInfo, Wish,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[derive(Clone, Debug)]
enum Step {
    Add(Wish),
    /// One of those that are there.
    Remove(usize),
    Replace(Vec<Wish>),
    Push(Subject),
}

/// The parts of an event that rules judge.
#[derive(Clone, Debug)]
struct Subject {
    kind: EventKind,
    pid: u32,
    process: Option<ProcessInfo>,
    /// The ids of the ancestors, and whether they are this subscriber's.
    followed: Vec<(u32, bool)>,
}

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just("".into()), Just("a".into()), Just("b".into())]
}

fn rules() -> impl Strategy<Value = Wish> {
    let masks = (0..8u16, 0..8u16);
    // The pid of an ancestor follows from its number, as a number stands for one process.
    let ancestor = of(1..4u32).prop_map(|id| id.map(|id| Ancestor { id, pid: id / 2 }));
    (masks, (of(text()), of(text()), of(0..2u32), ancestor, of(0..2u32))).prop_map(
        |((kinds, fields), (name, exe, uid, ancestor, pid))| Wish {
            kinds: Kinds::from_bits(kinds),
            fields: Fields::from_bits(fields),
            name,
            exe,
            uid,
            ancestor,
            pid,
        },
    )
}

fn subjects() -> impl Strategy<Value = Subject> {
    let exit = EventKind::Exit { status: None, ppid: None, duration_ns: None, known: true };
    let kind = prop_oneof![Just(EventKind::Exec { again: false }), Just(exit), Just(EventKind::Sid)];
    let process = (of(text()), of(text()), of(0..2u32)).prop_map(|(name, exe, uid)| ProcessInfo {
        name,
        exe,
        uid,
        ..ProcessInfo::default()
    });
    (kind, 0..2u32, of(process), vec((1..4u32, any::<bool>()), 0..3))
        .prop_map(|(kind, pid, process, followed)| Subject { kind, pid, process, followed })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => rules().prop_map(Step::Add),
        3 => any::<usize>().prop_map(Step::Remove),
        1 => vec(rules(), 0..4).prop_map(Step::Replace),
        6 => subjects().prop_map(Step::Push),
    ];
    vec(step, 0..40)
}

fn asks_for(rule: &Wish, subject: &Subject) -> bool {
    let process = subject.process.clone().unwrap_or_default();
    rule.kinds.has(subject.kind.event_type())
        && (rule.name.is_none() || rule.name == process.name)
        && (rule.exe.is_none() || rule.exe == process.exe)
        && (rule.uid.is_none() || rule.uid == process.uid)
        && (rule.pid.is_none() || rule.pid == Some(subject.pid))
        && rule.ancestor.is_none_or(|ancestor| subject.followed.contains(&(ancestor.id, true)))
}

fn interest(rules: &[Wish]) -> Interest {
    rules.iter().map(Wish::interest).fold(Interest::default(), Interest::union)
}

fn follows(rules: &[Wish]) -> BTreeSet<(u32, u32)> {
    rules.iter().filter_map(|rule| rule.ancestor).map(|ancestor| (ancestor.id, ancestor.pid)).collect()
}

proptest! {
    #![proptest_config(Config { cases: 2048, ..crate::config() })]

    #[test]
    fn what_passes_is_what_a_rule_that_is_left_asks_for(steps in steps()) {
        let outbox = Outbox::new(9, Interest::default(), Box::new(|| {}));
        outbox.release(std::iter::empty(), 1);
        outbox.take(usize::MAX, &mut Vec::new());
        let mut rules = vec![Wish::default()];
        for step in steps {
            let before = (interest(&rules), follows(&rules));
            let mut changed = None;
            match step {
                Step::Add(rule) => {
                    changed = Some(outbox.add_rule(&rule));
                    rules.push(rule);
                }
                Step::Remove(_) if rules.is_empty() => {}
                Step::Remove(which) => {
                    let rule = rules.swap_remove(which % rules.len());
                    changed = Some(outbox.remove_rule(&rule));
                }
                Step::Replace(others) => {
                    outbox.set_wishes(&others);
                    rules = others;
                }
                Step::Push(subject) => {
                    let Subject { kind, pid, process, followed } = subject.clone();
                    let number = |is_own: bool| if is_own { outbox.number() } else { outbox.number() + 1 };
                    let follow = |(id, is_own)| Follow { subscriber: number(is_own), id };
                    let followed: Vec<_> = followed.into_iter().map(follow).collect();
                    outbox.push(&[ProcessEvent {
                        pid,
                        timestamp_ns: 0,
                        origin: Origin::Kernel,
                        kind,
                        process: process.map(Arc::new),
                        followed: (!followed.is_empty()).then(|| followed.into()),
                    }]);
                    let mut notices = Vec::new();
                    outbox.take(usize::MAX, &mut notices);
                    let passed = matches!(notices.as_slice(), [Notice::Event(_)]);
                    prop_assert_eq!(passed, rules.iter().any(|rule| asks_for(rule, &subject)), "{:?}", rules);
                }
            }
            let now = (interest(&rules), follows(&rules));
            if let Some(changed) = changed {
                prop_assert_eq!(changed, before != now, "{:?}", rules);
            }
            prop_assert_eq!(outbox.interest(), now.0);
            let followed: BTreeSet<_> =
                outbox.follows().into_iter().map(|(follow, pid)| (follow.id, pid)).collect();
            let needs_forks = now.0.kinds.has(EventType::Fork) || !now.1.is_empty();
            prop_assert_eq!(outbox.passing().has(EventType::Fork), needs_forks);
            prop_assert_eq!(followed, now.1);
        }
    }
}
