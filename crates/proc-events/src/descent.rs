//! Who descends from the processes that somebody follows. A process that descends from one does so for good, whoever
//! becomes its parent later. Pure.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::ProcessEvent;
use crate::procfs::{Sighting, Snapshot};

/// One wish to follow the descendants of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Follow {
    /// The number of the subscriber whose wish it is.
    pub subscriber: u32,
    /// The number that it has given to this wish.
    pub id: u32,
}

/// Which wishes a process falls under.
pub type Followed = Option<Arc<[Follow]>>;

#[derive(Clone, Debug)]
struct Member {
    follows: Arc<[Follow]>,
    /// When it was created: what was created later with this pid is another.
    born_ns: u64,
}

/// The processes that are followed, and their descendants.
#[derive(Debug, Default)]
pub struct Descent {
    /// The followed processes by pid, as long as they run.
    ancestors: FxHashMap<u32, Vec<Follow>>,
    /// All wishes that were ever taken up, and not dropped: an ancestor is looked for once.
    taken_up: FxHashSet<Follow>,
    members: FxHashMap<u32, Member>,
    /// Who has reported an exit since the last time; if it was only that of a leader, an exec may follow.
    leaving: FxHashSet<u32>,
    /// While a snapshot is being taken: the parents of those that were created, and those that have ended, since it began.
    meanwhile: Option<Meanwhile>,
}

#[derive(Debug, Default)]
struct Meanwhile {
    births: FxHashMap<u32, u32>,
    exits: FxHashSet<u32>,
}

impl Descent {
    /// Whether nobody is followed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.taken_up.is_empty()
    }

    /// Follows these from now on, each with the pid of the ancestor, and no others. Whether there is one that was not
    /// followed before: what descends from it already is then found by the next snapshot.
    pub fn follow(&mut self, wishes: &[(Follow, u32)]) -> bool {
        let wanted: FxHashSet<Follow> = wishes.iter().map(|(follow, _)| *follow).collect();
        if self.taken_up.iter().any(|follow| !wanted.contains(follow)) {
            self.taken_up.retain(|follow| wanted.contains(follow));
            self.ancestors.values_mut().for_each(|follows| follows.retain(|follow| wanted.contains(follow)));
            self.ancestors.retain(|_, follows| !follows.is_empty());
            self.members.retain(|_, member| {
                let kept: Vec<Follow> =
                    member.follows.iter().copied().filter(|follow| wanted.contains(follow)).collect();
                if kept.len() < member.follows.len() {
                    member.follows = kept.into();
                }
                !member.follows.is_empty()
            });
        }
        let mut has_new = false;
        for &(follow, pid) in wishes {
            if self.taken_up.insert(follow) {
                self.ancestors.entry(pid).or_default().push(follow);
                has_new = true;
            }
        }
        has_new
    }

    /// Which wishes this process falls under.
    #[must_use]
    pub fn of(&self, pid: u32) -> Followed {
        self.members.get(&pid).map(|member| Arc::clone(&member.follows))
    }

    /// Marks events with the wishes that their processes fall under.
    pub fn mark(&self, events: &mut [ProcessEvent]) {
        if !self.members.is_empty() {
            for event in events {
                event.followed = self.of(event.pid);
            }
        }
    }

    /// Which wishes a child of this process falls under.
    fn of_children(&self, pid: u32) -> Vec<Follow> {
        let inherited = self.members.get(&pid).into_iter().flat_map(|member| member.follows.iter());
        let own = self.ancestors.get(&pid).into_iter().flatten();
        inherited.chain(own).copied().collect()
    }

    /// A process was created.
    pub fn born(&mut self, pid: u32, parent: u32, now_ns: u64) {
        if self.is_idle() {
            return;
        }
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile.births.insert(pid, parent);
            meanwhile.exits.remove(&pid);
        }
        // Whoever had the pid before has ended, heard or not.
        self.ancestors.remove(&pid);
        self.leaving.remove(&pid);
        let follows = self.of_children(parent);
        if follows.is_empty() {
            self.members.remove(&pid);
        } else {
            self.members.insert(pid, Member { follows: follows.into(), born_ns: now_ns });
        }
    }

    /// A process has called exec: if it had reported an exit, that was only its leader's.
    pub fn execed(&mut self, pid: u32) {
        self.leaving.remove(&pid);
    }

    /// A process was seen to have this parent. That tells if it was not heard to be created.
    pub fn has_parent(&mut self, pid: u32, parent: Option<u32>, now_ns: u64) {
        if let Some(parent) = parent.filter(|_| !self.members.contains_key(&pid)) {
            let follows = self.of_children(parent);
            if !follows.is_empty() {
                self.members.insert(pid, Member { follows: follows.into(), born_ns: now_ns });
            }
        }
    }

    /// A process has reported its exit. It is forgotten by [`Descent::forget_the_dead`].
    pub fn exited(&mut self, pid: u32) {
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile.exits.insert(pid);
        }
        if self.members.contains_key(&pid) || self.ancestors.contains_key(&pid) {
            self.leaving.insert(pid);
        }
    }

    /// What has reported its exit is gone, but for those whose exit may be taken back.
    pub fn forget_the_dead(&mut self, may_return: impl Fn(u32) -> bool) {
        for pid in self.leaving.extract_if(|pid| !may_return(*pid)) {
            self.members.remove(&pid);
            self.ancestors.remove(&pid);
        }
    }

    /// To be called before a snapshot is begun that is given to [`Descent::reconcile`].
    pub fn begin_snapshot(&mut self) {
        self.meanwhile = Some(Meanwhile::default());
    }

    /// Finds who descends from whom by a snapshot: by the parents, and by the sessions, whose members all descend from
    /// the session's leader. Who has lost both, as a daemon that had made itself independent before it was followed, is
    /// not found.
    pub fn reconcile(&mut self, snapshot: &Snapshot) {
        let Meanwhile { births, exits } = self.meanwhile.take().unwrap_or_default();
        if self.is_idle() {
            return;
        }
        let seen: FxHashMap<u32, &Sighting> =
            snapshot.sightings.iter().map(|sighting| (sighting.pid, sighting)).collect();
        let is_alive =
            |pid: u32| births.contains_key(&pid) || seen.contains_key(&pid) && !exits.contains(&pid);
        self.ancestors.retain(|pid, _| is_alive(*pid));
        self.members.retain(|pid, member| {
            // What was created during the snapshot is told apart by that alone.
            let is_same = |seen: &&Sighting| births.contains_key(pid) || seen.start_ns <= member.born_ns;
            is_alive(*pid) && seen.get(pid).is_none_or(is_same)
        });
        // From parent to child until nothing is added: as often as the longest line has generations.
        loop {
            let mut found = Vec::new();
            let alive = seen.keys().chain(births.keys()).copied().filter(|pid| is_alive(*pid));
            for pid in alive {
                let mut follows = match (births.get(&pid), seen.get(&pid)) {
                    (Some(&parent), _) => self.of_children(parent),
                    (None, Some(sighting)) => {
                        let mut follows = self.of_children(sighting.ppid);
                        if sighting.session != pid {
                            follows.extend(self.of_children(sighting.session));
                        }
                        follows
                    }
                    (None, None) => continue,
                };
                let known: &[Follow] = self.members.get(&pid).map_or(&[], |member| &member.follows);
                follows.retain(|follow| !known.contains(follow));
                if !follows.is_empty() {
                    follows.extend(known);
                    follows.sort_unstable();
                    follows.dedup();
                    let start_ns = seen.get(&pid).map_or(u64::MAX, |seen| seen.start_ns);
                    found.push((pid, Member { follows: follows.into(), born_ns: start_ns }));
                }
            }
            if found.is_empty() {
                return;
            }
            for (pid, member) in found {
                let born_ns = self.members.get(&pid).map_or(member.born_ns, |known| known.born_ns);
                self.members.insert(pid, Member { born_ns, ..member });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Follow = Follow { subscriber: 1, id: 1 };
    const OTHER: Follow = Follow { subscriber: 2, id: 1 };

    fn following(wishes: &[(Follow, u32)]) -> Descent {
        let mut descent = Descent::default();
        assert!(descent.follow(wishes));
        descent
    }
    fn look(descent: &mut Descent, processes: &[(u32, u32, u32)]) {
        let sightings = processes.iter().map(|&(pid, ppid, session)| Sighting {
            pid,
            ppid,
            session,
            ..Sighting::default()
        });
        descent.reconcile(&Snapshot { sightings: sightings.collect(), ..Snapshot::default() });
    }
    fn follows(descent: &Descent, pid: u32) -> Vec<Follow> {
        descent.of(pid).map_or_else(Vec::new, |follows| follows.to_vec())
    }

    #[test]
    fn a_daemon_is_followed_though_its_parents_have_ended() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.born(11, 10, 1);
        descent.born(12, 11, 2);
        descent.exited(11);
        descent.forget_the_dead(|_| false);
        descent.execed(12);
        descent.has_parent(12, Some(1), 3);
        assert_eq!(follows(&descent, 12), [SHELL]);
        assert_eq!(follows(&descent, 11), []);
        assert_eq!(follows(&descent, 10), [], "nobody is its own descendant");
        descent.exited(10);
        descent.forget_the_dead(|_| false);
        descent.born(13, 12, 4);
        assert_eq!(follows(&descent, 13), [SHELL]);
    }

    #[test]
    fn a_pid_that_is_given_away_is_not_the_ancestor_any_more() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.born(10, 1, 1);
        descent.born(11, 10, 2);
        assert_eq!(follows(&descent, 11), []);
        assert!(!descent.follow(&[(SHELL, 10)]), "it was taken up once");
        assert!(descent.follow(&[(SHELL, 10), (OTHER, 10)]));
        descent.born(12, 10, 3);
        assert_eq!(follows(&descent, 12), [OTHER]);
    }

    #[test]
    fn who_was_there_before_is_found_by_parents_and_sessions() {
        let mut descent = following(&[(SHELL, 10), (OTHER, 11)]);
        descent.begin_snapshot();
        look(
            &mut descent,
            &[(13, 12, 5), (12, 11, 5), (11, 10, 5), (10, 1, 10), (14, 1, 10), (15, 1, 1), (16, 1, 11)],
        );
        assert_eq!(follows(&descent, 13), [SHELL, OTHER]);
        assert_eq!(follows(&descent, 11), [SHELL]);
        assert_eq!(follows(&descent, 14), [SHELL]);
        assert_eq!(follows(&descent, 15), []);
        assert_eq!(follows(&descent, 16), [SHELL, OTHER]);
    }

    #[test]
    fn who_is_born_during_the_look_is_found_through_a_parent_that_it_shows() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.begin_snapshot();
        descent.born(12, 11, 5);
        descent.exited(11);
        look(&mut descent, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(follows(&descent, 12), []);
        let mut descent = following(&[(SHELL, 10)]);
        descent.begin_snapshot();
        descent.born(12, 11, 5);
        look(&mut descent, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(follows(&descent, 12), [SHELL]);
    }

    #[test]
    fn an_ancestor_that_is_not_running_has_no_descendants() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.begin_snapshot();
        look(&mut descent, &[(11, 1, 1)]);
        descent.born(12, 10, 5);
        assert_eq!(follows(&descent, 12), []);
    }

    #[test]
    fn the_leader_of_a_process_that_execs_from_a_thread_stays_followed() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.born(11, 10, 1);
        descent.exited(11);
        descent.execed(11);
        descent.forget_the_dead(|_| false);
        assert_eq!(follows(&descent, 11), [SHELL]);
    }

    #[test]
    fn a_parent_tells_where_the_creation_was_not_heard() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.has_parent(11, Some(10), 1);
        descent.has_parent(12, Some(11), 2);
        descent.has_parent(13, Some(1), 2);
        assert_eq!(
            [follows(&descent, 11), follows(&descent, 12), follows(&descent, 13)],
            [vec![SHELL], vec![SHELL], vec![]]
        );
    }

    #[test]
    fn who_is_no_longer_followed_is_forgotten() {
        let mut descent = following(&[(SHELL, 10), (OTHER, 10)]);
        descent.born(11, 10, 1);
        assert!(!descent.follow(&[(OTHER, 10)]));
        assert_eq!(follows(&descent, 11), [OTHER]);
        descent.follow(&[]);
        assert!(descent.is_idle() && descent.members.is_empty() && descent.ancestors.is_empty());
    }

    #[test]
    fn another_process_with_the_pid_of_one_that_was_followed_is_not() {
        let mut descent = following(&[(SHELL, 10)]);
        descent.born(11, 10, 5);
        descent.begin_snapshot();
        let reborn = Sighting { pid: 11, ppid: 1, session: 1, start_ns: 9, ..Sighting::default() };
        let shell = Sighting { pid: 10, ..Sighting::default() };
        descent.reconcile(&Snapshot { sightings: vec![reborn, shell], ..Snapshot::default() });
        assert_eq!(follows(&descent, 11), []);
    }
}
