//! Who descends from the processes that somebody tags. A process that descends from one does so for good, whoever
//! becomes its parent later. Pure.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::event::{AncestryTag, AncestryTags, ProcessEvent};
use crate::model::snapshot::{ObservedProcess, Snapshot};

#[derive(Clone, Debug)]
struct Descendant {
    tags: Arc<[AncestryTag]>,
    /// When it was created: what was created later with this pid is another.
    born_ns: u64,
}

/// The processes that are followed, and their descendants.
#[derive(Debug, Default)]
pub struct AncestryTracker {
    /// The followed processes by pid, as long as they run.
    ancestors: FxHashMap<u32, Vec<AncestryTag>>,
    /// All wishes that were ever taken up, and not dropped: an ancestor is looked for once.
    registered: FxHashSet<AncestryTag>,
    descendants: FxHashMap<u32, Descendant>,
    /// Who has reported an exit since the last time; if it was only that of a leader, an exec may tag.
    exited: FxHashSet<u32>,
    /// While a snapshot is being taken: the parents of those that were created, and those that have ended, since it began.
    since_snapshot: Option<SinceSnapshot>,
}

#[derive(Debug, Default)]
struct SinceSnapshot {
    births: FxHashMap<u32, u32>,
    exits: FxHashSet<u32>,
}

impl AncestryTracker {
    /// Whether nobody is followed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.registered.is_empty()
    }

    /// Follows these from now on, each with the pid of the ancestor, and no others. Whether there is one that was not
    /// followed before: what descends from it already is then found by the next snapshot.
    pub fn set_tags(&mut self, rules: &[(AncestryTag, u32)]) -> bool {
        let wanted: FxHashSet<AncestryTag> = rules.iter().map(|(tag, _)| *tag).collect();
        if self.registered.iter().any(|tag| !wanted.contains(tag)) {
            self.registered.retain(|tag| wanted.contains(tag));
            self.ancestors.values_mut().for_each(|tags| tags.retain(|tag| wanted.contains(tag)));
            self.ancestors.retain(|_, tags| !tags.is_empty());
            self.descendants.retain(|_, descendant| {
                let kept: Vec<AncestryTag> =
                    descendant.tags.iter().copied().filter(|tag| wanted.contains(tag)).collect();
                if kept.len() < descendant.tags.len() {
                    descendant.tags = kept.into();
                }
                !descendant.tags.is_empty()
            });
        }
        let mut has_new = false;
        for &(tag, pid) in rules {
            if self.registered.insert(tag) {
                self.ancestors.entry(pid).or_default().push(tag);
                has_new = true;
            }
        }
        has_new
    }

    /// Which wishes this process falls under.
    #[must_use]
    pub fn of(&self, pid: u32) -> AncestryTags {
        self.descendants.get(&pid).map(|descendant| Arc::clone(&descendant.tags))
    }

    /// Marks events with the wishes that their processes fall under.
    pub fn tag(&self, events: &mut [ProcessEvent]) {
        if !self.descendants.is_empty() {
            for event in events {
                event.ancestry = self.of(event.pid);
            }
        }
    }

    /// Which wishes a child of this process falls under.
    fn inherited_tags(&self, pid: u32) -> Vec<AncestryTag> {
        let inherited = self.descendants.get(&pid).into_iter().flat_map(|descendant| descendant.tags.iter());
        let own = self.ancestors.get(&pid).into_iter().flatten();
        inherited.chain(own).copied().collect()
    }

    /// A process was created.
    pub fn on_fork(&mut self, pid: u32, parent: u32, now_ns: u64) {
        if self.is_idle() {
            return;
        }
        if let Some(since_snapshot) = &mut self.since_snapshot {
            since_snapshot.births.insert(pid, parent);
            since_snapshot.exits.remove(&pid);
        }
        // Whoever had the pid before has ended, heard or not.
        self.ancestors.remove(&pid);
        self.exited.remove(&pid);
        let tags = self.inherited_tags(parent);
        if tags.is_empty() {
            self.descendants.remove(&pid);
        } else {
            self.descendants.insert(pid, Descendant { tags: tags.into(), born_ns: now_ns });
        }
    }

    /// A process has called exec: if it had reported an exit, that was only its leader's.
    pub fn on_exec(&mut self, pid: u32) {
        self.exited.remove(&pid);
    }

    /// A process was seen to have this parent. That tells if it was not heard to be created.
    pub fn observe_parent(&mut self, pid: u32, parent: Option<u32>, now_ns: u64) {
        if let Some(parent) = parent.filter(|_| !self.descendants.contains_key(&pid)) {
            let tags = self.inherited_tags(parent);
            if !tags.is_empty() {
                self.descendants.insert(pid, Descendant { tags: tags.into(), born_ns: now_ns });
            }
        }
    }

    /// A process has reported its exit. It is forgotten by [`AncestryTracker::prune_exited`].
    pub fn on_exit(&mut self, pid: u32) {
        if let Some(since_snapshot) = &mut self.since_snapshot {
            since_snapshot.exits.insert(pid);
        }
        if self.descendants.contains_key(&pid) || self.ancestors.contains_key(&pid) {
            self.exited.insert(pid);
        }
    }

    /// What has reported its exit is gone, but for those whose exit may be taken back.
    pub fn prune_exited(&mut self, may_return: impl Fn(u32) -> bool) {
        for pid in self.exited.extract_if(|pid| !may_return(*pid)) {
            self.descendants.remove(&pid);
            self.ancestors.remove(&pid);
        }
    }

    /// To be called before a snapshot is begun that is given to [`AncestryTracker::reconcile`].
    pub fn begin_snapshot(&mut self) {
        self.since_snapshot = Some(SinceSnapshot::default());
    }

    /// Finds who descends from whom by a snapshot: by the parents, and by the sessions, whose descendants all descend from
    /// the session's leader. Who has lost both, as a daemon that had made itself independent before it was followed, is
    /// not found.
    pub fn reconcile(&mut self, snapshot: &Snapshot) {
        let SinceSnapshot { births, exits } = self.since_snapshot.take().unwrap_or_default();
        if self.is_idle() {
            return;
        }
        let seen: FxHashMap<u32, &ObservedProcess> =
            snapshot.processes.iter().map(|observed| (observed.pid, observed)).collect();
        let is_alive =
            |pid: u32| births.contains_key(&pid) || seen.contains_key(&pid) && !exits.contains(&pid);
        self.ancestors.retain(|pid, _| is_alive(*pid));
        self.descendants.retain(|pid, descendant| {
            // What was created during the snapshot is told apart by that alone.
            let is_same =
                |seen: &&ObservedProcess| births.contains_key(pid) || seen.start_ns <= descendant.born_ns;
            is_alive(*pid) && seen.get(pid).is_none_or(is_same)
        });
        // From parent to child until nothing is added: as often as the longest line has generations.
        loop {
            let mut found = Vec::new();
            let alive = seen.keys().chain(births.keys()).copied().filter(|pid| is_alive(*pid));
            for pid in alive {
                let mut tags = match (births.get(&pid), seen.get(&pid)) {
                    (Some(&parent), _) => self.inherited_tags(parent),
                    (None, Some(observed)) => {
                        let mut tags = self.inherited_tags(observed.ppid);
                        if observed.session != pid {
                            tags.extend(self.inherited_tags(observed.session));
                        }
                        tags
                    }
                    (None, None) => continue,
                };
                let known: &[AncestryTag] =
                    self.descendants.get(&pid).map_or(&[], |descendant| &descendant.tags);
                tags.retain(|tag| !known.contains(tag));
                if !tags.is_empty() {
                    tags.extend(known);
                    tags.sort_unstable();
                    tags.dedup();
                    let start_ns = seen.get(&pid).map_or(u64::MAX, |seen| seen.start_ns);
                    found.push((pid, Descendant { tags: tags.into(), born_ns: start_ns }));
                }
            }
            if found.is_empty() {
                return;
            }
            for (pid, descendant) in found {
                let born_ns = self.descendants.get(&pid).map_or(descendant.born_ns, |known| known.born_ns);
                self.descendants.insert(pid, Descendant { born_ns, ..descendant });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: AncestryTag = AncestryTag { subscriber: 1, id: 1 };
    const OTHER: AncestryTag = AncestryTag { subscriber: 2, id: 1 };

    fn following(rules: &[(AncestryTag, u32)]) -> AncestryTracker {
        let mut ancestry = AncestryTracker::default();
        assert!(ancestry.set_tags(rules));
        ancestry
    }
    fn look(ancestry: &mut AncestryTracker, processes: &[(u32, u32, u32)]) {
        let processes = processes.iter().map(|&(pid, ppid, session)| ObservedProcess {
            pid,
            ppid,
            session,
            ..ObservedProcess::default()
        });
        ancestry.reconcile(&Snapshot { processes: processes.collect(), ..Snapshot::default() });
    }
    fn tags(ancestry: &AncestryTracker, pid: u32) -> Vec<AncestryTag> {
        ancestry.of(pid).map_or_else(Vec::new, |tags| tags.to_vec())
    }

    #[test]
    fn a_daemon_is_followed_though_its_parents_have_ended() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 1);
        ancestry.on_fork(12, 11, 2);
        ancestry.on_exit(11);
        ancestry.prune_exited(|_| false);
        ancestry.on_exec(12);
        ancestry.observe_parent(12, Some(1), 3);
        assert_eq!(tags(&ancestry, 12), [SHELL]);
        assert_eq!(tags(&ancestry, 11), []);
        assert_eq!(tags(&ancestry, 10), [], "nobody is its own descendant");
        ancestry.on_exit(10);
        ancestry.prune_exited(|_| false);
        ancestry.on_fork(13, 12, 4);
        assert_eq!(tags(&ancestry, 13), [SHELL]);
    }

    #[test]
    fn a_pid_that_is_given_away_is_not_the_ancestor_any_more() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.on_fork(10, 1, 1);
        ancestry.on_fork(11, 10, 2);
        assert_eq!(tags(&ancestry, 11), []);
        assert!(!ancestry.set_tags(&[(SHELL, 10)]), "it was taken up once");
        assert!(ancestry.set_tags(&[(SHELL, 10), (OTHER, 10)]));
        ancestry.on_fork(12, 10, 3);
        assert_eq!(tags(&ancestry, 12), [OTHER]);
    }

    #[test]
    fn who_was_there_before_is_found_by_parents_and_sessions() {
        let mut ancestry = following(&[(SHELL, 10), (OTHER, 11)]);
        ancestry.begin_snapshot();
        look(
            &mut ancestry,
            &[(13, 12, 5), (12, 11, 5), (11, 10, 5), (10, 1, 10), (14, 1, 10), (15, 1, 1), (16, 1, 11)],
        );
        assert_eq!(tags(&ancestry, 13), [SHELL, OTHER]);
        assert_eq!(tags(&ancestry, 11), [SHELL]);
        assert_eq!(tags(&ancestry, 14), [SHELL]);
        assert_eq!(tags(&ancestry, 15), []);
        assert_eq!(tags(&ancestry, 16), [SHELL, OTHER]);
    }

    #[test]
    fn who_is_born_during_the_look_is_found_through_a_parent_that_it_shows() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        ancestry.on_fork(12, 11, 5);
        ancestry.on_exit(11);
        look(&mut ancestry, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(tags(&ancestry, 12), []);
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        ancestry.on_fork(12, 11, 5);
        look(&mut ancestry, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(tags(&ancestry, 12), [SHELL]);
    }

    #[test]
    fn an_ancestor_that_is_not_running_has_no_descendants() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        look(&mut ancestry, &[(11, 1, 1)]);
        ancestry.on_fork(12, 10, 5);
        assert_eq!(tags(&ancestry, 12), []);
    }

    #[test]
    fn the_leader_of_a_process_that_execs_from_a_thread_stays_followed() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 1);
        ancestry.on_exit(11);
        ancestry.on_exec(11);
        ancestry.prune_exited(|_| false);
        assert_eq!(tags(&ancestry, 11), [SHELL]);
    }

    #[test]
    fn a_parent_tells_where_the_creation_was_not_heard() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.observe_parent(11, Some(10), 1);
        ancestry.observe_parent(12, Some(11), 2);
        ancestry.observe_parent(13, Some(1), 2);
        assert_eq!(
            [tags(&ancestry, 11), tags(&ancestry, 12), tags(&ancestry, 13)],
            [vec![SHELL], vec![SHELL], vec![]]
        );
    }

    #[test]
    fn who_is_no_longer_followed_is_forgotten() {
        let mut ancestry = following(&[(SHELL, 10), (OTHER, 10)]);
        ancestry.on_fork(11, 10, 1);
        assert!(!ancestry.set_tags(&[(OTHER, 10)]));
        assert_eq!(tags(&ancestry, 11), [OTHER]);
        ancestry.set_tags(&[]);
        assert!(ancestry.is_idle() && ancestry.descendants.is_empty() && ancestry.ancestors.is_empty());
    }

    #[test]
    fn another_process_with_the_pid_of_one_that_was_followed_is_not() {
        let mut ancestry = following(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 5);
        ancestry.begin_snapshot();
        let reborn =
            ObservedProcess { pid: 11, ppid: 1, session: 1, start_ns: 9, ..ObservedProcess::default() };
        let shell = ObservedProcess { pid: 10, ..ObservedProcess::default() };
        ancestry.reconcile(&Snapshot { processes: vec![reborn, shell], ..Snapshot::default() });
        assert_eq!(tags(&ancestry, 11), []);
    }
}
