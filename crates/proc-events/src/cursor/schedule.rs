//! When to look at a young process again: often at first, then ever more rarely. Pure.

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// A process that has been forked usually calls exec within this time.
pub(super) const EXEC_SOON_NS: u64 = 3 * MS;
/// Most others call exec within this time.
pub(super) const EXEC_LATE_NS: u64 = 20 * MS;
/// The snapshot shows execs that are later than this.
const FORKED_MAX_NS: u64 = 3_000 * MS;
/// The snapshot shows further execs that are later than this.
const RUNNING_MAX_NS: u64 = 1_000 * MS;
/// Time that an exec takes to set the arguments of the new program.
pub(super) const ARGUMENTS_NS: u64 = 2 * MS;
/// The same, if nothing delays it.
const ARGUMENTS_SOON_NS: u64 = 40 * US;
/// Time that a process may wait for a CPU in an exec that a record shows. Its details can be read only after that.
pub(super) const MID_EXEC_NS: u64 = 20 * MS;

/// The phase of a process that is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The process has not called exec.
    Forked,
    /// The process has called exec, and its arguments are not complete. The exec is not reported yet.
    Starting,
    /// The exec is reported. The process may call exec again, as wrappers do.
    Running,
}

/// Returns the time from now to the next look at a process that has been in this phase for `age_ns`. `None`: the snapshots
/// look at it from now on.
pub(super) fn next_look_ns(phase: Phase, age_ns: u64) -> Option<u64> {
    match phase {
        // An opened program shortens this.
        Phase::Forked if age_ns < EXEC_SOON_NS => Some(200 * US),
        Phase::Forked if age_ns < EXEC_LATE_NS => Some(MS),
        Phase::Forked => (age_ns < FORKED_MAX_NS).then_some(age_ns / 10),
        Phase::Starting => Some((age_ns / 2).max(ARGUMENTS_SOON_NS)),
        Phase::Running => (age_ns < RUNNING_MAX_NS).then_some((2 * age_ns).max(2 * MS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(phase: Phase) -> Vec<u64> {
        let mut age_ns = 0;
        let next = || {
            age_ns += next_look_ns(phase, age_ns)?;
            Some(age_ns)
        };
        std::iter::from_fn(next).take(1_000).collect()
    }

    #[test]
    fn forked_process_is_looked_at_closely_and_then_left_to_the_snapshots() {
        let looks = looks(Phase::Forked);
        assert_eq!(looks[..2], [200 * US, 400 * US]);
        assert_eq!(looks.iter().filter(|&&age| age <= EXEC_SOON_NS).count(), 15);
        let last = looks.last().copied().unwrap_or_default();
        assert!((FORKED_MAX_NS..2 * FORKED_MAX_NS).contains(&last) && looks.len() < 150, "{last}");
    }

    #[test]
    fn running_process_is_looked_at_ever_more_rarely() {
        assert_eq!(looks(Phase::Running), [2, 6, 18, 54, 162, 486, 1458].map(|ms| ms * MS));
    }
}
