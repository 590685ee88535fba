//! Detects a task that repeats work without an end: nothing retries without a bound.

/// Rounds without effect after which a task gives up. A round can be without effect because the log changed after the work
/// was chosen; then the next round sees the change.
pub(crate) const IDLE_ROUNDS_MAX: u32 = 10;

/// Counts the rounds of a task that neither changed the worker's log nor ended in another way.
#[derive(Debug, Default)]
pub(crate) struct IdleRounds {
    /// The worker's last row after the last round.
    last_row: Option<u64>,
    rounds: u32,
}

impl IdleRounds {
    /// Notes a round, after which `last_row` is the worker's last row. Returns true if the task repeats work without an
    /// end.
    pub(crate) fn repeats(&mut self, last_row: u64, had_effect: bool) -> bool {
        if had_effect || self.last_row != Some(last_row) {
            *self = Self { last_row: Some(last_row), rounds: 0 };
            return false;
        }
        self.rounds += 1;
        self.rounds >= IDLE_ROUNDS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_repeats_work_if_nothing_changes_for_some_rounds() {
        let mut idle = IdleRounds::default();
        // The first round has nothing to be compared with.
        let rounds: Vec<bool> = (0..=IDLE_ROUNDS_MAX).map(|_| idle.repeats(7, false)).collect();
        assert_eq!(rounds.iter().filter(|repeats| **repeats).count(), 1);
        assert_eq!(rounds.last(), Some(&true));
    }

    #[test]
    fn a_row_or_an_effect_begins_the_count_again() {
        for (last_row, had_effect) in [(8, false), (7, true)] {
            let mut idle = IdleRounds::default();
            for _ in 0..IDLE_ROUNDS_MAX {
                assert!(!idle.repeats(7, false));
            }
            assert!(!idle.repeats(last_row, had_effect));
            for _ in 1..IDLE_ROUNDS_MAX {
                assert!(!idle.repeats(last_row, false));
            }
            assert!(idle.repeats(last_row, false));
        }
    }
}
