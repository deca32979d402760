//! Filter rules that are added and removed in any order. An event passes if and only if a remaining rule selects it.

use std::collections::BTreeSet;
use std::sync::Arc;

use proc_events::AncestryTag;
use proc_events::delivery::queue::SubscriberQueue;
use proc_events::{
    Ancestor, EventData, EventType, EventTypes, Fields, FilterRule, Interest, Notification, Origin,
    ProcessEvent, ProcessInfo,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[derive(Clone, Debug)]
enum Step {
    Add(FilterRule),
    /// Removes one of the present rules.
    Remove(usize),
    Replace(Vec<FilterRule>),
    Push(Subject),
}

/// The parts of an event that rules match.
#[derive(Clone, Debug)]
struct Subject {
    data: EventData,
    pid: u32,
    process: Option<ProcessInfo>,
    /// The ids of the ancestors. True: of this subscriber.
    ancestry: Vec<(u32, bool)>,
}

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just("".into()), Just("a".into()), Just("b".into())]
}

fn rules() -> impl Strategy<Value = FilterRule> {
    let masks = (0..8u16, 0..8u16, any::<bool>(), of(0..3u32));
    // The pid of an ancestor follows from its id, because an id stands for one process.
    let ancestor = of(1..4u32).prop_map(|id| id.map(|id| Ancestor { id, pid: id / 2 }));
    (masks, (of(text()), of(text()), of(0..2u32), ancestor, of(0..2u32))).prop_map(
        |((types, fields, recapture, max_latency_ms), (name, exe, uid, ancestor, pid))| FilterRule {
            recapture,
            max_latency_ms,
            types: EventTypes::from_bits(types),
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
    let exit = EventData::Exit { status: None, ppid: None, ran: None, known: true };
    let data = prop_oneof![Just(EventData::Exec { again: false }), Just(exit), Just(EventData::Sid)];
    let process = (of(text()), of(text()), of(text()), of(0..2u32))
        .prop_map(|(name, comm, exe, uid)| ProcessInfo { name, comm, exe, uid, ..ProcessInfo::default() });
    (data, 0..2u32, of(process), vec((1..4u32, any::<bool>()), 0..3))
        .prop_map(|(data, pid, process, ancestry)| Subject { data, pid, process, ancestry })
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

fn selects(rule: &FilterRule, subject: &Subject) -> bool {
    let process = subject.process.clone().unwrap_or_default();
    rule.types.has(subject.data.event_type())
        && (rule.name.is_none() || rule.name == process.name || rule.name == process.comm)
        && (rule.exe.is_none() || rule.exe == process.exe)
        && (rule.uid.is_none() || rule.uid == process.uid)
        && (rule.pid.is_none() || rule.pid == Some(subject.pid))
        && rule.ancestor.is_none_or(|ancestor| subject.ancestry.contains(&(ancestor.id, true)))
}

fn interest(rules: &[FilterRule]) -> Interest {
    rules.iter().map(FilterRule::interest).fold(Interest::default(), Interest::union)
}

/// Returns the shortest latency, where the default is 1 ms.
fn latency(rules: &[FilterRule]) -> u32 {
    rules.iter().map(|rule| rule.max_latency_ms.unwrap_or(1)).min().unwrap_or(u32::MAX)
}

fn ancestors(rules: &[FilterRule]) -> BTreeSet<(u32, u32)> {
    rules.iter().filter_map(|rule| rule.ancestor).map(|ancestor| (ancestor.id, ancestor.pid)).collect()
}

proptest! {
    #![proptest_config(Config { cases: 2048, ..crate::config() })]

    #[test]
    fn event_passes_if_a_remaining_rule_selects_it(steps in steps()) {
        let queue = SubscriberQueue::new(9, Interest::default(), Box::new(|| {}));
        queue.set_max_latency_ms(1);
        queue.deliver_scan(std::iter::empty(), 1);
        queue.take(usize::MAX, &mut Vec::new());
        let mut rules = vec![FilterRule::default()];
        for step in steps {
            let before = (interest(&rules), ancestors(&rules), latency(&rules));
            let mut changed = None;
            match step {
                Step::Add(rule) => {
                    changed = Some(queue.add_rule(&rule));
                    rules.push(rule);
                }
                Step::Remove(_) if rules.is_empty() => {}
                Step::Remove(which) => {
                    let rule = rules.swap_remove(which % rules.len());
                    changed = Some(queue.remove_rule(&rule));
                }
                Step::Replace(others) => {
                    queue.set_filter_rules(&others);
                    rules = others;
                }
                Step::Push(subject) => {
                    let Subject { data, pid, process, ancestry } = subject.clone();
                    let number = |is_own: bool| if is_own { queue.id() } else { queue.id() + 1 };
                    let tag = |(id, is_own)| AncestryTag { subscriber: number(is_own), id };
                    let ancestry: Vec<_> = ancestry.into_iter().map(tag).collect();
                    queue.push(&[ProcessEvent {
                        pid,
                        timestamp_ns: 0,
                        origin: Origin::Kernel,
                        data,
                        process: process.map(Arc::new),
                        ancestry: (!ancestry.is_empty()).then(|| ancestry.into()),
                        usage: None,
                    }]);
                    let mut notifications = Vec::new();
                    queue.take(usize::MAX, &mut notifications);
                    let passed = matches!(notifications.as_slice(), [Notification::Event(_)]);
                    prop_assert_eq!(passed, rules.iter().any(|rule| selects(rule, &subject)), "{:?}", rules);
                }
            }
            let now = (interest(&rules), ancestors(&rules), latency(&rules));
            if let Some(changed) = changed {
                prop_assert_eq!(changed, before != now, "{:?}", rules);
            }
            prop_assert_eq!(queue.interest(), now.0);
            prop_assert_eq!(queue.max_latency_ms(), now.2);
            let ancestry: BTreeSet<_> =
                queue.ancestry_tags().into_iter().map(|(tag, pid)| (tag.id, pid)).collect();
            let needs_forks = now.0.types.has(EventType::Fork) || !now.1.is_empty();
            prop_assert_eq!(queue.kernel_types().has(EventType::Fork), needs_forks);
            prop_assert_eq!(ancestry, now.1);
        }
    }
}
