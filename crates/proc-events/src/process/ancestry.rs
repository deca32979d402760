//! Descendants of the processes that subscribers name as ancestors. A descendant stays one if its parent changes later. Pure.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::event::{AncestryTag, AncestryTags, ProcessEvent};
use crate::model::snapshot::{ObservedProcess, Snapshot};

#[derive(Clone, Debug)]
struct Descendant {
    tags: Arc<Vec<AncestryTag>>,
    /// Time of its creation, in nanoseconds. A process with this pid that was created later is another one.
    created_ns: u64,
}

/// Tracks the descendants of ancestors. Each ancestor has tags, which its descendants inherit.
#[derive(Debug, Default)]
pub struct AncestryTracker {
    /// The running ancestors and their tags, by pid.
    ancestors: FxHashMap<u32, Vec<AncestryTag>>,
    /// All tags since they were set. The ancestor of a tag is looked up once, because its pid may be reused later.
    registered: FxHashSet<AncestryTag>,
    descendants: FxHashMap<u32, Descendant>,
    /// Processes whose exit was reported since the last [`AncestryTracker::prune_exited`].
    exited: FxHashSet<u32>,
    /// Forks and exits since the snapshot began that is being taken.
    since_snapshot: Option<SinceSnapshot>,
}

#[derive(Debug, Default)]
struct SinceSnapshot {
    /// The parent of each new process, by pid.
    forks: FxHashMap<u32, u32>,
    exits: FxHashSet<u32>,
}

impl AncestryTracker {
    /// Returns true if there is no tag.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.registered.is_empty()
    }

    /// Sets the tags, each with the pid of its ancestor. Returns true if there is a new one. The next snapshot then finds
    /// the descendants that its ancestor already has.
    pub fn set_tags(&mut self, tags: &[(AncestryTag, u32)]) -> bool {
        let wanted: FxHashSet<AncestryTag> = tags.iter().map(|(tag, _)| *tag).collect();
        if self.registered.iter().any(|tag| !wanted.contains(tag)) {
            self.registered.retain(|tag| wanted.contains(tag));
            self.ancestors.values_mut().for_each(|tags| tags.retain(|tag| wanted.contains(tag)));
            self.ancestors.retain(|_, tags| !tags.is_empty());
            self.descendants.retain(|_, descendant| {
                let retained: Vec<AncestryTag> =
                    descendant.tags.iter().copied().filter(|tag| wanted.contains(tag)).collect();
                if retained.len() < descendant.tags.len() {
                    descendant.tags = retained.into();
                }
                !descendant.tags.is_empty()
            });
            if self.is_idle() {
                // Without tags, an exec does not remove its process from these.
                self.exited.clear();
            }
        }
        let mut has_new = false;
        for &(tag, pid) in tags {
            if self.registered.insert(tag) {
                self.ancestors.entry(pid).or_default().push(tag);
                has_new = true;
            }
        }
        has_new
    }

    /// Returns the tags of this process.
    #[must_use]
    pub fn tags_of(&self, pid: u32) -> AncestryTags {
        self.descendants.get(&pid).map(|descendant| Arc::clone(&descendant.tags))
    }

    /// Returns the event with the tags of its process.
    #[must_use]
    pub fn tag(&self, mut event: ProcessEvent) -> ProcessEvent {
        if !self.descendants.is_empty() {
            event.ancestry = self.tags_of(event.pid);
        }
        event
    }

    /// Returns the tags that a child of this process inherits.
    fn inherited_tags(&self, pid: u32) -> Vec<AncestryTag> {
        let inherited = self.descendants.get(&pid).into_iter().flat_map(|descendant| descendant.tags.iter());
        let own = self.ancestors.get(&pid).into_iter().flatten();
        inherited.chain(own).copied().collect()
    }

    /// Records a fork.
    pub fn on_fork(&mut self, pid: u32, parent: u32, now_ns: u64) {
        if self.is_idle() {
            return;
        }
        if let Some(since_snapshot) = &mut self.since_snapshot {
            since_snapshot.forks.insert(pid, parent);
            since_snapshot.exits.remove(&pid);
        }
        // The earlier process with this pid has exited, even if that was not reported.
        self.ancestors.remove(&pid);
        self.exited.remove(&pid);
        let tags = self.inherited_tags(parent);
        if tags.is_empty() {
            self.descendants.remove(&pid);
        } else {
            self.descendants.insert(pid, Descendant { tags: tags.into(), created_ns: now_ns });
        }
    }

    /// Records an exec, and the parent if it was observed. An exit of this process before was only that of its leader.
    pub fn on_exec(&mut self, pid: u32, parent: Option<u32>, now_ns: u64) {
        if self.is_idle() {
            return;
        }
        self.exited.remove(&pid);
        self.observe_parent(pid, parent, now_ns);
    }

    /// Records the parent of a process, in case that its fork was lost.
    pub fn observe_parent(&mut self, pid: u32, parent: Option<u32>, now_ns: u64) {
        if self.is_idle() {
            return;
        }
        if let Some(parent) = parent.filter(|_| !self.descendants.contains_key(&pid)) {
            let tags = self.inherited_tags(parent);
            if !tags.is_empty() {
                self.descendants.insert(pid, Descendant { tags: tags.into(), created_ns: now_ns });
            }
        }
    }

    /// Records an exit. The process keeps its tags until [`AncestryTracker::prune_exited`].
    pub fn on_exit(&mut self, pid: u32) {
        if let Some(since_snapshot) = &mut self.since_snapshot {
            since_snapshot.exits.insert(pid);
        }
        if self.descendants.contains_key(&pid) || self.ancestors.contains_key(&pid) {
            self.exited.insert(pid);
        }
    }

    /// Removes the processes that have exited, unless their exit is tentative.
    pub fn prune_exited(&mut self, is_tentative: impl Fn(u32) -> bool) {
        for pid in self.exited.extract_if(|pid| !is_tentative(*pid)) {
            self.descendants.remove(&pid);
            self.ancestors.remove(&pid);
        }
    }

    /// Must be called before a snapshot begins that is given to [`AncestryTracker::reconcile`].
    pub fn begin_snapshot(&mut self) {
        self.since_snapshot = Some(SinceSnapshot::default());
    }

    /// Finds descendants in a snapshot, by parents and by sessions: all processes of a session descend from its leader. A
    /// process that has left both, as a daemon does, is not found.
    pub fn reconcile(&mut self, snapshot: &Snapshot) {
        let SinceSnapshot { forks, exits } = self.since_snapshot.take().unwrap_or_default();
        if self.is_idle() {
            return;
        }
        let observed: FxHashMap<u32, &ObservedProcess> =
            snapshot.processes.iter().map(|observed| (observed.pid, observed)).collect();
        let is_alive =
            |pid: u32| forks.contains_key(&pid) || observed.contains_key(&pid) && !exits.contains(&pid);
        self.ancestors.retain(|pid, _| is_alive(*pid));
        self.descendants.retain(|pid, descendant| {
            let is_same = |observed: &&ObservedProcess| {
                forks.contains_key(pid) || observed.start_ns <= descendant.created_ns
            };
            is_alive(*pid) && observed.get(pid).is_none_or(is_same)
        });
        // Each round passes the tags on by one generation, until no process gets a new tag.
        loop {
            let mut found = Vec::new();
            let alive = observed.keys().chain(forks.keys()).copied().filter(|pid| is_alive(*pid));
            for pid in alive {
                let mut tags = match (forks.get(&pid), observed.get(&pid)) {
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
                    let start_ns = observed.get(&pid).map_or(u64::MAX, |observed| observed.start_ns);
                    found.push((pid, Descendant { tags: tags.into(), created_ns: start_ns }));
                }
            }
            if found.is_empty() {
                return;
            }
            for (pid, descendant) in found {
                let known = self.descendants.get(&pid);
                let created_ns = known.map_or(descendant.created_ns, |known| known.created_ns);
                self.descendants.insert(pid, Descendant { created_ns, ..descendant });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: AncestryTag = AncestryTag { subscriber: 1, id: 1 };
    const OTHER: AncestryTag = AncestryTag { subscriber: 2, id: 1 };

    fn tracking(tags: &[(AncestryTag, u32)]) -> AncestryTracker {
        let mut ancestry = AncestryTracker::default();
        assert!(ancestry.set_tags(tags));
        ancestry
    }
    fn reconcile(ancestry: &mut AncestryTracker, processes: &[(u32, u32, u32)]) {
        let processes = processes.iter().map(|&(pid, ppid, session)| ObservedProcess {
            pid,
            ppid,
            session,
            ..ObservedProcess::default()
        });
        ancestry.reconcile(&Snapshot { processes: processes.collect(), ..Snapshot::default() });
    }
    fn tags(ancestry: &AncestryTracker, pid: u32) -> Vec<AncestryTag> {
        ancestry.tags_of(pid).map_or_else(Vec::new, |tags| tags.to_vec())
    }

    #[test]
    fn daemon_stays_descendant_after_its_parents_exit() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 1);
        ancestry.on_fork(12, 11, 2);
        ancestry.on_exit(11);
        ancestry.prune_exited(|_| false);
        ancestry.on_exec(12, Some(1), 3);
        assert_eq!(tags(&ancestry, 12), [SHELL]);
        assert_eq!(tags(&ancestry, 11), []);
        assert_eq!(tags(&ancestry, 10), [], "no process is its own descendant");
        ancestry.on_exit(10);
        ancestry.prune_exited(|_| false);
        ancestry.on_fork(13, 12, 4);
        assert_eq!(tags(&ancestry, 13), [SHELL]);
    }

    #[test]
    fn reused_pid_is_not_the_ancestor() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.on_fork(10, 1, 1);
        ancestry.on_fork(11, 10, 2);
        assert_eq!(tags(&ancestry, 11), []);
        assert!(!ancestry.set_tags(&[(SHELL, 10)]), "a tag is registered once");
        assert!(ancestry.set_tags(&[(SHELL, 10), (OTHER, 10)]));
        ancestry.on_fork(12, 10, 3);
        assert_eq!(tags(&ancestry, 12), [OTHER]);
    }

    #[test]
    fn snapshot_finds_descendants_by_parents_and_sessions() {
        let mut ancestry = tracking(&[(SHELL, 10), (OTHER, 11)]);
        ancestry.begin_snapshot();
        reconcile(
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
    fn fork_during_snapshot_inherits_ancestry_from_snapshotted_parent() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        ancestry.on_fork(12, 11, 5);
        ancestry.on_exit(11);
        reconcile(&mut ancestry, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(tags(&ancestry, 12), []);
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        ancestry.on_fork(12, 11, 5);
        reconcile(&mut ancestry, &[(10, 1, 1), (11, 10, 1)]);
        assert_eq!(tags(&ancestry, 12), [SHELL]);
    }

    #[test]
    fn exited_ancestor_gets_no_descendants() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.begin_snapshot();
        reconcile(&mut ancestry, &[(11, 1, 1)]);
        ancestry.on_fork(12, 10, 5);
        assert_eq!(tags(&ancestry, 12), []);
    }

    #[test]
    fn non_leader_exec_keeps_ancestry() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 1);
        ancestry.on_exit(11);
        ancestry.on_exec(11, None, 2);
        ancestry.prune_exited(|_| false);
        assert_eq!(tags(&ancestry, 11), [SHELL]);
    }

    #[test]
    fn observed_parent_replaces_lost_fork() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.observe_parent(11, Some(10), 1);
        ancestry.observe_parent(12, Some(11), 2);
        ancestry.observe_parent(13, Some(1), 2);
        assert_eq!(
            [tags(&ancestry, 11), tags(&ancestry, 12), tags(&ancestry, 13)],
            [vec![SHELL], vec![SHELL], vec![]]
        );
    }

    #[test]
    fn removed_tag_is_removed_from_descendants() {
        let mut ancestry = tracking(&[(SHELL, 10), (OTHER, 10)]);
        ancestry.on_fork(11, 10, 1);
        assert!(!ancestry.set_tags(&[(OTHER, 10)]));
        assert_eq!(tags(&ancestry, 11), [OTHER]);
        ancestry.set_tags(&[]);
        assert!(ancestry.is_idle() && ancestry.descendants.is_empty() && ancestry.ancestors.is_empty());
    }

    #[test]
    fn process_with_reused_pid_loses_ancestry() {
        let mut ancestry = tracking(&[(SHELL, 10)]);
        ancestry.on_fork(11, 10, 5);
        ancestry.begin_snapshot();
        let reused =
            ObservedProcess { pid: 11, ppid: 1, session: 1, start_ns: 9, ..ObservedProcess::default() };
        let shell = ObservedProcess { pid: 10, ..ObservedProcess::default() };
        ancestry.reconcile(&Snapshot { processes: vec![reused, shell], ..Snapshot::default() });
        assert_eq!(tags(&ancestry, 11), []);
    }
}
