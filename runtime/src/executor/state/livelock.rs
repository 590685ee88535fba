//! Detects a task that repeats work without an end: nothing retries without a bound.

/// Rounds without effect and without a new row after which a task gives up. A round can be without effect because the log
/// changed after the work was chosen; then the next round sees the change.
const ROUNDS_WITHOUT_EFFECT_MAX: u32 = 10;
/// Rounds without effect after which a task gives up although rows were added. Requests from outside add rows too, but
/// not between all rounds of so many.
const ROUNDS_WITH_ROWS_MAX: u32 = 100;

/// Counts the rounds of a task that neither changed the worker's log nor ended in another way.
#[derive(Debug, Default)]
pub(crate) struct LivelockDetector {
    /// The worker's last row after the last round.
    last_row: Option<u64>,
    /// Rounds without effect since a row was added.
    rounds: u32,
    /// Rounds without effect.
    rounds_with_rows: u32,
}

impl LivelockDetector {
    /// Notes a round, after which `last_row` is the worker's last row. Returns true if the task repeats work without an
    /// end.
    pub(crate) fn observe_round(&mut self, last_row: u64, had_effect: bool) -> bool {
        if had_effect {
            *self = Self { last_row: Some(last_row), ..Self::default() };
            return false;
        }
        self.rounds_with_rows += 1;
        self.rounds = if self.last_row == Some(last_row) { self.rounds + 1 } else { 0 };
        self.last_row = Some(last_row);
        self.rounds >= ROUNDS_WITHOUT_EFFECT_MAX || self.rounds_with_rows >= ROUNDS_WITH_ROWS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_repeats_work_if_nothing_changes_for_some_rounds() {
        let mut detector = LivelockDetector::default();
        // The first round has nothing to be compared with.
        let rounds: Vec<bool> =
            (0..=ROUNDS_WITHOUT_EFFECT_MAX).map(|_| detector.observe_round(7, false)).collect();
        assert_eq!(rounds.iter().filter(|detected| **detected).count(), 1);
        assert_eq!(rounds.last(), Some(&true));
    }

    /// Regression: a task whose every round added a row was never stopped.
    #[test]
    fn a_task_repeats_work_if_it_only_adds_rows() {
        let mut detector = LivelockDetector::default();
        let rounds = u64::from(ROUNDS_WITH_ROWS_MAX);
        let detected: Vec<u64> = (1..=rounds).filter(|row| detector.observe_round(*row, false)).collect();
        assert_eq!(detected, [rounds]);
    }

    #[test]
    fn a_row_or_an_effect_begins_the_count_again() {
        for (last_row, had_effect) in [(8, false), (7, true)] {
            let mut detector = LivelockDetector::default();
            for _ in 0..ROUNDS_WITHOUT_EFFECT_MAX {
                assert!(!detector.observe_round(7, false));
            }
            assert!(!detector.observe_round(last_row, had_effect));
            for _ in 1..ROUNDS_WITHOUT_EFFECT_MAX {
                assert!(!detector.observe_round(last_row, false));
            }
            assert!(detector.observe_round(last_row, false));
        }
    }
}
