//! Which events a subscriber takes, by what was saved of the process: so that nobody is woken for what nobody wants, at
//! a cost that does not grow with the number of wishes. Pure.

use rustc_hash::FxHashMap;

use crate::descent::Follow;
use crate::event::ProcessEvent;
use crate::interest::Kinds;

/// Events of some kinds, of the processes of which all that is given holds. Of a process whose exec was not seen, nothing
/// holds but its descent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Which kinds.
    pub kinds: Kinds,
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

/// The wishes of one subscriber.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sieve {
    subscriber: u32,
    /// The kinds of which every event is taken.
    all: Kinds,
    by_name: FxHashMap<Box<str>, Vec<Wish>>,
    by_exe: FxHashMap<Box<str>, Vec<Wish>>,
    others: Vec<Wish>,
}

impl Sieve {
    pub(crate) fn new(subscriber: u32, wishes: Vec<Wish>) -> Self {
        let mut sieve = Self { subscriber, ..Self::default() };
        for wish in wishes {
            match &wish {
                Wish { name: Some(name), .. } => sieve.by_name.entry(name.clone()).or_default().push(wish),
                Wish { exe: Some(exe), .. } => sieve.by_exe.entry(exe.clone()).or_default().push(wish),
                Wish { uid: None, ancestor: None, pid: None, .. } => sieve.all = sieve.all.union(wish.kinds),
                _ => sieve.others.push(wish),
            }
        }
        sieve
    }

    /// Whether some wish asks for it.
    pub(crate) fn passes(&self, event: &ProcessEvent) -> bool {
        if self.all.has(event.kind.event_type()) {
            return true;
        }
        let process = event.process.as_deref();
        let among = |wishes: &FxHashMap<Box<str>, Vec<Wish>>, text: Option<&str>| {
            let wishes = text.and_then(|text| wishes.get(text));
            wishes.is_some_and(|wishes| wishes.iter().any(|wish| self.asks_for(wish, event)))
        };
        among(&self.by_name, process.and_then(|process| process.name.as_deref()))
            || among(&self.by_exe, process.and_then(|process| process.exe.as_deref()))
            || self.others.iter().any(|wish| self.asks_for(wish, event))
    }

    fn asks_for(&self, wish: &Wish, event: &ProcessEvent) -> bool {
        let process = event.process.as_deref();
        let text_is =
            |wanted: &Option<Box<str>>, text: Option<&Box<str>>| wanted.is_none() || wanted.as_ref() == text;
        let is_followed = |ancestor: Ancestor| {
            let follow = Follow { subscriber: self.subscriber, id: ancestor.id };
            event.followed.as_ref().is_some_and(|follows| follows.contains(&follow))
        };
        wish.kinds.has(event.kind.event_type())
            && text_is(&wish.name, process.and_then(|process| process.name.as_ref()))
            && text_is(&wish.exe, process.and_then(|process| process.exe.as_ref()))
            && wish.uid.is_none_or(|uid| process.and_then(|process| process.uid) == Some(uid))
            && wish.pid.is_none_or(|pid| event.pid == pid)
            && wish.ancestor.is_none_or(is_followed)
    }

    /// Whose descendants are to be followed.
    pub(crate) fn follows(&self) -> impl Iterator<Item = (Follow, u32)> {
        let wishes = self.by_name.values().chain(self.by_exe.values()).flatten().chain(&self.others);
        let subscriber = self.subscriber;
        wishes
            .filter_map(|wish| wish.ancestor)
            .map(move |ancestor| (Follow { subscriber, id: ancestor.id }, ancestor.pid))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{EventKind, Origin, ProcessInfo};

    fn event(name: &str, exe: &str, uid: u32, followed: &[Follow]) -> ProcessEvent {
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
            kind: EventKind::Exec { again: false },
            process: Some(Arc::new(process)),
            followed: (!followed.is_empty()).then(|| followed.into()),
        }
    }
    fn wish() -> Wish {
        Wish { kinds: Kinds::LIFE, ..Wish::default() }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let wishes = [
            Wish { name: Some("sh".into()), uid: Some(3), ..wish() },
            Wish { exe: Some("/bin/ls".into()), ..wish() },
            Wish { ancestor: Some(Ancestor { id: 5, pid: 9 }), uid: Some(7), ..wish() },
        ];
        let sieve = Sieve::new(2, wishes.to_vec());
        let own = Follow { subscriber: 2, id: 5 };
        let another = Follow { subscriber: 1, id: 5 };
        for (passes, name, exe, uid, follows) in [
            (true, "sh", "/bin/sh", 3, vec![]),
            (false, "sh", "/bin/sh", 4, vec![]),
            (true, "sh", "/bin/ls", 4, vec![]),
            (true, "x", "/bin/x", 7, vec![another, own]),
            (false, "x", "/bin/x", 7, vec![another]),
            (false, "x", "/bin/x", 8, vec![own]),
        ] {
            assert_eq!(sieve.passes(&event(name, exe, uid, &follows)), passes, "{name} {exe} {uid}");
        }
        let unseen = ProcessEvent { process: None, ..event("", "", 0, &[own]) };
        assert!(!sieve.passes(&unseen));
        assert_eq!(sieve.follows().collect::<Vec<_>>(), [(own, 9)]);
    }

    #[test]
    fn a_wish_for_everything_takes_its_kinds_only() {
        let sieve =
            Sieve::new(1, vec![wish(), Wish { name: Some("sh".into()), kinds: Kinds::ALL, ..wish() }]);
        let mut any = event("x", "x", 0, &[]);
        assert!(sieve.passes(&any));
        any.kind = EventKind::Sid;
        assert!(!sieve.passes(&any));
        any.process = event("sh", "x", 0, &[]).process;
        assert!(sieve.passes(&any));
    }
}
