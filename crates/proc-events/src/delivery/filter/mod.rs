//! The filter of one subscriber. It selects events by their type and the captured details of their process, so that an
//! unwanted event does not wake the subscriber.
//!
//! The filter is a tuple space search: it looks an event up once for each combination of conditions that any rule has.
//! The cost of an event, and of adding or removing a rule, does not depend on the number of rules. Pure.

mod counts;
mod shape;

use rustc_hash::FxHashMap;

use crate::model::event::AncestryTag;
use crate::model::event::ProcessEvent;
use crate::model::interest::{EventTypes, Fields, Interest};
use counts::{BitCounts, Latencies, TextIds};
use shape::{ANCESTOR, EXE, NAME, PID, Shape, Shapes, UID};

/// A rule that selects events of some types, of the processes that meet all given conditions. Without conditions it
/// selects all processes. A process whose exec was not seen can only meet the conditions `ancestor` and `pid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterRule {
    /// The event types to select.
    pub types: EventTypes,
    /// The details to capture. They must include those that the conditions need.
    pub fields: Fields,
    /// True if the arguments and the comm of these processes are to be read again when they rename themselves.
    pub recapture: bool,
    /// The longest time by which these events may be delayed, in milliseconds; `None`: that of the subscription.
    pub max_latency_ms: Option<u32>,
    /// Condition: the name of the program, or the present comm of its process.
    pub name: Option<Box<str>>,
    /// Condition: the path of the executable.
    pub exe: Option<Box<str>>,
    /// Condition: the real user id.
    pub uid: Option<u32>,
    /// Condition: the process is a descendant of this one.
    pub ancestor: Option<Ancestor>,
    /// Condition: the pid.
    pub pid: Option<u32>,
}

/// A process whose descendants a rule selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// An id that the subscriber assigns. Rules that are added at different times need different ids, because the pid
    /// may have been reused in between.
    pub id: u32,
    /// The pid of the ancestor.
    pub pid: u32,
}

impl FilterRule {
    /// Returns a rule without conditions.
    #[must_use]
    pub fn for_all_processes(interest: Interest) -> Self {
        let Interest { types, fields, recapture } = interest;
        Self { types, fields, recapture, ..Self::default() }
    }

    /// Returns the event types and details of the rule, without its conditions.
    #[must_use]
    pub const fn interest(&self) -> Interest {
        Interest { types: self.types, fields: self.fields, recapture: self.recapture }
    }

    /// Returns the conditions that the rule has.
    fn shape(&self) -> Shape {
        let bit = |is_given: bool, bit: Shape| if is_given { bit } else { 0 };
        bit(self.name.is_some(), NAME)
            | bit(self.exe.is_some(), EXE)
            | bit(self.uid.is_some(), UID)
            | bit(self.ancestor.is_some(), ANCESTOR)
            | bit(self.pid.is_some(), PID)
    }
}

/// The values of the conditions of a rule or an event. Texts are represented by their ids. A value that is not in
/// `shape` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    name: u64,
    exe: u64,
    uid: u32,
    ancestor: u32,
    pid: u32,
    shape: Shape,
}

impl Key {
    /// Returns the key of a rule with this shape and these values.
    const fn masked(self, shape: Shape) -> Self {
        Self {
            name: if shape & NAME == 0 { 0 } else { self.name },
            exe: if shape & EXE == 0 { 0 } else { self.exe },
            uid: if shape & UID == 0 { 0 } else { self.uid },
            ancestor: if shape & ANCESTOR == 0 { 0 } else { self.ancestor },
            pid: if shape & PID == 0 { 0 } else { self.pid },
            shape,
        }
    }
}

/// The rules of one subscriber. Equal rules count separately.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriptionFilter {
    subscriber: u32,
    /// The event types that rules without conditions select.
    all: EventTypes,
    /// The shapes of the rules that have conditions.
    shapes: Shapes,
    names: TextIds,
    exes: TextIds,
    /// By the values of their conditions: the event types of the rules, and the number of rules.
    rules: FxHashMap<Key, (BitCounts, u32)>,
    /// Number of rules by shape.
    shape_counts: [u32; 32],
    types: BitCounts,
    fields: BitCounts,
    /// Number of rules that ask for a recapture.
    recaptures: u32,
    latencies: Latencies,
    /// By [`Ancestor::id`]: the pid of the ancestor, and the number of rules that name it.
    ancestry_tags: FxHashMap<u32, (u32, u32)>,
    /// Number of changes of `ancestry_tags`.
    tags_revision: u64,
}

impl SubscriptionFilter {
    pub(crate) fn new(subscriber: u32) -> Self {
        Self { subscriber, ..Self::default() }
    }

    pub(crate) fn add(&mut self, rule: &FilterRule) {
        self.names.add(rule.name.as_deref());
        self.exes.add(rule.exe.as_deref());
        let Some(key) = self.key(rule) else { return };
        let (types, count) = self.rules.entry(key).or_default();
        types.add(rule.types.bits());
        *count += 1;
        self.shape_counts[usize::from(key.shape)] += 1;
        self.types.add(rule.types.bits());
        self.fields.add(rule.fields.bits());
        self.recaptures += u32::from(rule.recapture);
        self.latencies.add(rule.max_latency_ms);
        if let Some(Ancestor { id, pid }) = rule.ancestor {
            let (_, count) = self.ancestry_tags.entry(id).or_insert((pid, 0));
            *count += 1;
            self.tags_revision += u64::from(*count == 1);
        }
        self.update_summary(key.shape);
    }

    /// Removes a rule that equals an added one. Does nothing if there is none.
    pub(crate) fn remove(&mut self, rule: &FilterRule) {
        let Some(key) = self.key(rule) else { return };
        let Some((types, count)) = self.rules.get_mut(&key) else { return };
        types.remove(rule.types.bits());
        *count -= 1;
        if *count == 0 {
            self.rules.remove(&key);
        }
        self.names.remove(rule.name.as_deref());
        self.exes.remove(rule.exe.as_deref());
        self.shape_counts[usize::from(key.shape)] -= 1;
        self.types.remove(rule.types.bits());
        self.fields.remove(rule.fields.bits());
        self.recaptures = self.recaptures.saturating_sub(u32::from(rule.recapture));
        self.latencies.remove(rule.max_latency_ms);
        if let Some((_, count)) =
            self.ancestry_tags.get_mut(&key.ancestor).filter(|_| rule.ancestor.is_some())
        {
            *count -= 1;
            if *count == 0 {
                self.ancestry_tags.remove(&key.ancestor);
                self.tags_revision += 1;
            }
        }
        self.update_summary(key.shape);
    }

    /// Replaces all rules.
    pub(crate) fn replace(&mut self, rules: &[FilterRule]) {
        let tags_revision = self.tags_revision + 1;
        *self = Self { tags_revision, ..Self::new(self.subscriber) };
        for rule in rules {
            self.add(rule);
        }
    }

    /// Returns the key of a rule. Returns `None` if the rule has a text that no added rule has.
    fn key(&self, rule: &FilterRule) -> Option<Key> {
        Some(Key {
            name: if rule.name.is_some() { self.names.id(rule.name.as_deref())? } else { 0 },
            exe: if rule.exe.is_some() { self.exes.id(rule.exe.as_deref())? } else { 0 },
            uid: rule.uid.unwrap_or(0),
            ancestor: rule.ancestor.map_or(0, |ancestor| ancestor.id),
            pid: rule.pid.unwrap_or(0),
            shape: rule.shape(),
        })
    }

    /// Updates `all` and `shapes` after a rule of this shape was added or removed.
    fn update_summary(&mut self, shape: Shape) {
        if shape == 0 {
            let all = self.rules.get(&Key::default()).map_or(0, |(types, _)| types.mask);
            self.all = EventTypes::from_bits(all);
        } else if self.shape_counts[usize::from(shape)] == 0 {
            self.shapes.remove(shape);
        } else {
            self.shapes.add(shape);
        }
    }

    /// Returns the interest of all rules together.
    pub(crate) const fn interest(&self) -> Interest {
        Interest {
            types: EventTypes::from_bits(self.types.mask),
            fields: Fields::from_bits(self.fields.mask),
            recapture: self.recaptures > 0,
        }
    }

    /// Returns the shortest latency that a rule asks for, in milliseconds. `default_ms` is that of rules without one.
    /// Returns `u32::MAX` if there are no rules.
    pub(crate) fn max_latency_ms(&self, default_ms: u32) -> u32 {
        self.latencies.min(default_ms)
    }

    /// Returns true if a rule selects the event.
    pub(crate) fn passes(&self, event: &ProcessEvent) -> bool {
        self.all.has(event.data.event_type()) || self.matches_conditions(event)
    }

    /// Returns true if a rule with conditions selects the event. A name condition is met by the name or by the comm.
    fn matches_conditions(&self, event: &ProcessEvent) -> bool {
        let process = event.process.as_deref();
        let name = process.and_then(|process| process.name.as_deref());
        let comm = process.and_then(|process| process.comm.as_deref());
        self.matches_with_name(event, name) || comm.is_some() && self.matches_with_comm(event, name, comm)
    }

    /// Few processes have renamed themselves. Apart, so that the check by name is inlined.
    #[cold]
    fn matches_with_comm(&self, event: &ProcessEvent, name: Option<&str>, comm: Option<&str>) -> bool {
        self.shapes.intersects(Shapes::with_condition(NAME))
            && comm != name
            && self.matches_with_name(event, comm)
    }

    #[inline]
    fn matches_with_name(&self, event: &ProcessEvent, name: Option<&str>) -> bool {
        let process = event.process.as_deref();
        let mut shapes = self.shapes;
        let mut key = Key { pid: event.pid, ..Key::default() };
        if shapes.intersects(Shapes::with_condition(NAME)) {
            match self.names.id(name) {
                Some(name) => key.name = name,
                None => shapes = shapes.difference(Shapes::with_condition(NAME)),
            }
        }
        if shapes.intersects(Shapes::with_condition(EXE)) {
            match self.exes.id(process.and_then(|process| process.exe.as_deref())) {
                Some(exe) => key.exe = exe,
                None => shapes = shapes.difference(Shapes::with_condition(EXE)),
            }
        }
        match process.and_then(|process| process.uid) {
            Some(uid) => key.uid = uid,
            None => shapes = shapes.difference(Shapes::with_condition(UID)),
        }
        let selects = |key| {
            let types = self.rules.get(&key).map_or(0, |(types, _)| types.mask);
            EventTypes::from_bits(types).has(event.data.event_type())
        };
        shapes.iter().any(|shape| {
            if shape & ANCESTOR == 0 {
                return selects(key.masked(shape));
            }
            let mut ancestry_tags = event.ancestry.iter().flat_map(|ancestry_tags| ancestry_tags.iter());
            ancestry_tags.any(|tag| {
                tag.subscriber == self.subscriber && selects(Key { ancestor: tag.id, ..key }.masked(shape))
            })
        })
    }

    /// Returns true if a rule has an ancestor.
    pub(crate) fn has_ancestors(&self) -> bool {
        !self.ancestry_tags.is_empty()
    }

    /// Returns the ancestry tags, each with the pid of its ancestor.
    pub(crate) fn ancestry_tags(&self) -> impl Iterator<Item = (AncestryTag, u32)> {
        let subscriber = self.subscriber;
        self.ancestry_tags.iter().map(move |(&id, &(pid, _))| (AncestryTag { subscriber, id }, pid))
    }

    /// Returns a number that grows whenever [`SubscriptionFilter::ancestry_tags`] changes.
    pub(crate) const fn tags_revision(&self) -> u64 {
        self.tags_revision
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::event::{EventData, Origin, ProcessInfo};

    fn event(name: &str, exe: &str, uid: u32, ancestry: &[AncestryTag]) -> ProcessEvent {
        let process = ProcessInfo {
            name: Some(name.into()),
            exe: Some(exe.into()),
            uid: Some(uid),
            ..ProcessInfo::default()
        };
        let exec = EventData::Exec { again: false };
        ProcessEvent {
            ancestry: (!ancestry.is_empty()).then(|| Arc::new(ancestry.to_vec())),
            ..ProcessEvent::new(1, 0, Origin::Kernel, exec, Some(Arc::new(process)))
        }
    }
    fn rule() -> FilterRule {
        FilterRule { types: EventTypes::LIFECYCLE, ..FilterRule::default() }
    }
    fn filter(subscriber: u32, rules: &[FilterRule]) -> SubscriptionFilter {
        let mut filter = SubscriptionFilter::new(subscriber);
        filter.replace(rules);
        filter
    }

    #[test]
    fn rule_selects_processes_that_meet_all_conditions() {
        let rules = [
            FilterRule { name: Some("sh".into()), uid: Some(3), ..rule() },
            FilterRule { exe: Some("/bin/ls".into()), ..rule() },
            FilterRule { ancestor: Some(Ancestor { id: 5, pid: 9 }), uid: Some(7), ..rule() },
        ];
        let filter = filter(2, &rules);
        let own = AncestryTag { subscriber: 2, id: 5 };
        let another = AncestryTag { subscriber: 1, id: 5 };
        for (passes, name, exe, uid, ancestry_tags) in [
            (true, "sh", "/bin/sh", 3, vec![]),
            (false, "sh", "/bin/sh", 4, vec![]),
            (true, "sh", "/bin/ls", 4, vec![]),
            (true, "x", "/bin/x", 7, vec![another, own]),
            (false, "x", "/bin/x", 7, vec![another]),
            (false, "x", "/bin/x", 8, vec![own]),
        ] {
            assert_eq!(filter.passes(&event(name, exe, uid, &ancestry_tags)), passes, "{name} {exe} {uid}");
        }
        let unseen = ProcessEvent { process: None, ..event("", "", 0, &[own]) };
        assert!(!filter.passes(&unseen));
        assert_eq!(filter.ancestry_tags().collect::<Vec<_>>(), [(own, 9)]);
    }

    #[test]
    fn rule_without_conditions_selects_its_types_of_any_process() {
        let filter =
            filter(1, &[rule(), FilterRule { name: Some("sh".into()), types: EventTypes::ALL, ..rule() }]);
        let mut any = event("x", "x", 0, &[]);
        assert!(filter.passes(&any));
        any.data = EventData::Sid;
        assert!(!filter.passes(&any));
        any.process = event("sh", "x", 0, &[]).process;
        assert!(filter.passes(&any));
    }
}
