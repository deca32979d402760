//! The rules of a subscriber: they decide which events it takes, by what was saved of the process, so that no subscriber is
//! woken for an event that it does not want. An event costs the same however many rules there are, and so does adding or
//! removing a rule. Pure.

mod counts;
mod shape;

use rustc_hash::FxHashMap;

use crate::model::event::AncestryTag;
use crate::model::event::ProcessEvent;
use crate::model::interest::{EventTypes, Fields, Interest};
use counts::{BitCounts, Texts};
use shape::{ANCESTOR, EXE, NAME, PID, Shape, Shapes, UID};

/// Events of some kinds, of the processes of which all that is given holds. Of a process whose exec was not seen, nothing
/// holds but its descent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterRule {
    /// Which kinds.
    pub types: EventTypes,
    /// The details to capture, those that the conditions are about included.
    pub fields: Fields,
    /// The process name.
    pub name: Option<Box<str>>,
    /// The path of the program.
    pub exe: Option<Box<str>>,
    /// The real user id.
    pub uid: Option<u32>,
    /// The process is a descendant of another.
    pub ancestor: Option<Ancestor>,
    /// The process itself.
    pub pid: Option<u32>,
}

/// A process whose descendants are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// The subscriber's number for it; wishes that are made at different times have different ones, since the pid may be
    /// that of another process by then.
    pub id: u32,
    /// Its pid.
    pub pid: u32,
}

impl FilterRule {
    /// Every event of these kinds, with these details.
    #[must_use]
    pub fn of_all(interest: Interest) -> Self {
        Self { types: interest.types, fields: interest.fields, ..Self::default() }
    }

    /// The kinds and details that it asks for, whatever its conditions.
    #[must_use]
    pub const fn interest(&self) -> Interest {
        Interest { types: self.types, fields: self.fields }
    }

    /// The conditions that are given, as bits.
    fn shape(&self) -> Shape {
        let bit = |is_given: bool, bit: Shape| if is_given { bit } else { 0 };
        bit(self.name.is_some(), NAME)
            | bit(self.exe.is_some(), EXE)
            | bit(self.uid.is_some(), UID)
            | bit(self.ancestor.is_some(), ANCESTOR)
            | bit(self.pid.is_some(), PID)
    }
}

/// The values of a rule's conditions, or of an event's. Texts have numbers; what `shape` has not is 0.
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
    /// The key that a rule of this shape has if this is what it asks for.
    const fn only(self, shape: Shape) -> Self {
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

/// A multiset of rules, by their conditions.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriptionFilter {
    subscriber: u32,
    /// The kinds of which every event is taken.
    all: EventTypes,
    /// The shapes of all rules, but for the one without conditions.
    shapes: Shapes,
    names: Texts,
    exes: Texts,
    /// The kinds that are asked for, and how many rules ask.
    rules: FxHashMap<Key, (BitCounts, u32)>,
    /// How many rules there are of each shape.
    of_shape: [u32; 32],
    types: BitCounts,
    fields: BitCounts,
    /// By the subscriber's number: the pid of the ancestor, and how many rules name it.
    ancestry_tags: FxHashMap<u32, (u32, u32)>,
    /// How often [`SubscriptionFilter::ancestry_tags`] has changed.
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
        self.of_shape[usize::from(key.shape)] += 1;
        self.types.add(rule.types.bits());
        self.fields.add(rule.fields.bits());
        if let Some(Ancestor { id, pid }) = rule.ancestor {
            let (_, count) = self.ancestry_tags.entry(id).or_insert((pid, 0));
            *count += 1;
            self.tags_revision += u64::from(*count == 1);
        }
        self.summarize(key.shape);
    }

    /// Takes away a rule that equals one that was added.
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
        self.of_shape[usize::from(key.shape)] -= 1;
        self.types.remove(rule.types.bits());
        self.fields.remove(rule.fields.bits());
        if let Some((_, count)) =
            self.ancestry_tags.get_mut(&key.ancestor).filter(|_| rule.ancestor.is_some())
        {
            *count -= 1;
            if *count == 0 {
                self.ancestry_tags.remove(&key.ancestor);
                self.tags_revision += 1;
            }
        }
        self.summarize(key.shape);
    }

    /// Has these rules, and no others.
    pub(crate) fn replace(&mut self, rules: &[FilterRule]) {
        let tags_revision = self.tags_revision + 1;
        *self = Self { tags_revision, ..Self::new(self.subscriber) };
        for rule in rules {
            self.add(rule);
        }
    }

    /// `None` where some text is named by no rule.
    fn key(&self, rule: &FilterRule) -> Option<Key> {
        Some(Key {
            name: if rule.name.is_some() { self.names.number(rule.name.as_deref())? } else { 0 },
            exe: if rule.exe.is_some() { self.exes.number(rule.exe.as_deref())? } else { 0 },
            uid: rule.uid.unwrap_or(0),
            ancestor: rule.ancestor.map_or(0, |ancestor| ancestor.id),
            pid: rule.pid.unwrap_or(0),
            shape: rule.shape(),
        })
    }

    /// Updates what [`SubscriptionFilter::passes`] reads of a shape.
    fn summarize(&mut self, shape: Shape) {
        if shape == 0 {
            let all = self.rules.get(&Key::default()).map_or(0, |(types, _)| types.mask);
            self.all = EventTypes::from_bits(all);
        } else if self.of_shape[usize::from(shape)] == 0 {
            self.shapes.remove(shape);
        } else {
            self.shapes.add(shape);
        }
    }

    /// The kinds and the details that all rules ask for together.
    pub(crate) const fn interest(&self) -> Interest {
        Interest {
            types: EventTypes::from_bits(self.types.mask),
            fields: Fields::from_bits(self.fields.mask),
        }
    }

    /// Returns true if some rule asks for it.
    pub(crate) fn passes(&self, event: &ProcessEvent) -> bool {
        self.all.has(event.data.event_type()) || self.is_singled_out(event)
    }

    /// Returns true if some rule with conditions asks for it.
    fn is_singled_out(&self, event: &ProcessEvent) -> bool {
        let process = event.process.as_deref();
        let mut shapes = self.shapes;
        let mut key = Key { pid: event.pid, ..Key::default() };
        if shapes.have(Shapes::with(NAME)) {
            match self.names.number(process.and_then(|process| process.name.as_deref())) {
                Some(name) => key.name = name,
                None => shapes = shapes.without(Shapes::with(NAME)),
            }
        }
        if shapes.have(Shapes::with(EXE)) {
            match self.exes.number(process.and_then(|process| process.exe.as_deref())) {
                Some(exe) => key.exe = exe,
                None => shapes = shapes.without(Shapes::with(EXE)),
            }
        }
        match process.and_then(|process| process.uid) {
            Some(uid) => key.uid = uid,
            None => shapes = shapes.without(Shapes::with(UID)),
        }
        let asks = |key| {
            let types = self.rules.get(&key).map_or(0, |(types, _)| types.mask);
            EventTypes::from_bits(types).has(event.data.event_type())
        };
        shapes.each().any(|shape| {
            if shape & ANCESTOR == 0 {
                return asks(key.only(shape));
            }
            let mut ancestry_tags = event.ancestry.iter().flat_map(|ancestry_tags| ancestry_tags.iter());
            ancestry_tags.any(|tag| {
                tag.subscriber == self.subscriber && asks(Key { ancestor: tag.id, ..key }.only(shape))
            })
        })
    }

    /// Returns true if descendants are followed.
    pub(crate) fn has_ancestors(&self) -> bool {
        !self.ancestry_tags.is_empty()
    }

    /// Whose descendants are to be followed.
    pub(crate) fn ancestry_tags(&self) -> impl Iterator<Item = (AncestryTag, u32)> {
        let subscriber = self.subscriber;
        self.ancestry_tags.iter().map(move |(&id, &(pid, _))| (AncestryTag { subscriber, id }, pid))
    }

    /// A number that grows whenever [`SubscriptionFilter::ancestry_tags`] changes.
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
        ProcessEvent {
            pid: 1,
            timestamp_ns: 0,
            origin: Origin::Kernel,
            data: EventData::Exec { again: false },
            process: Some(Arc::new(process)),
            ancestry: (!ancestry.is_empty()).then(|| ancestry.into()),
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
    fn all_that_is_given_must_hold() {
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
    fn a_rule_for_every_process_passes_its_types_only() {
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
