//! Which recorded entries replay skips, and what an activation must revert first.
//!
//! An entry `Revert` takes the entries from its `from` up to itself out of replay. The oplog is append-only, so the
//! reverted entries stay in it and keep their indices; no index is reused.
//!
//! Invariant: the ranges are ascending and disjoint, and each ends with the `Revert` entry that created it.

use golem_model::OplogIndex;
use golem_model::oplog::wire::Reader;
use golem_model::oplog::{Entry, HostCallRequest, HostFunction, RevertReason};

/// The reverted entries of an oplog.
#[derive(Debug, Default)]
pub(crate) struct RevertedRanges {
    /// Ranges of positions, counted from 0: the first entry, and the one after the last.
    ranges: Vec<(usize, usize)>,
    /// The oplog index before position 0.
    entries_before: u64,
    /// The first position that a revert may include: 1 if position 0 holds the worker's creation.
    revertible_from: usize,
}

impl RevertedRanges {
    /// Reads the reverts among `entries`, of which the first has the index after `before`.
    pub(crate) fn from_entries(before: OplogIndex, entries: &[Entry]) -> Self {
        let revertible_from = usize::from(matches!(entries.first(), Some(Entry::Created { .. })));
        let mut reverted = Self { ranges: Vec::new(), entries_before: before.0, revertible_from };
        for (index, entry) in (before.0 + 1..).zip(entries) {
            if let Entry::Revert { from, .. } = entry {
                reverted.add(*from, OplogIndex(index));
            }
        }
        reverted
    }

    /// Adds the revert that the entry `record`, the last of its oplog, makes from the entry `from` on.
    pub(crate) fn add(&mut self, from: OplogIndex, record: OplogIndex) {
        // Neither the worker's creation nor anything after the record is reverted.
        let record = self.position(record);
        let mut start = self.position(from).clamp(self.revertible_from.min(record), record);
        while let Some(&(first, end)) = self.ranges.last()
            && end >= start
        {
            start = start.min(first);
            self.ranges.pop();
        }
        self.ranges.push((start, record + 1));
    }

    /// Whether the entry with this index is reverted.
    #[cfg(feature = "testing")]
    pub(crate) fn is_reverted(&self, index: OplogIndex) -> bool {
        let position = self.position(index);
        self.next_kept(position) != position
    }

    /// Whether the state before this entry is unreachable, because a revert removed the entries that lead to it. The
    /// state before the first entry of a range is the state after the range, so it stays reachable: a retry loop jumps
    /// to the same position each time.
    pub(crate) fn is_state_reverted(&self, index: OplogIndex) -> bool {
        let position = self.position(index);
        self.next_kept(position) != position && !self.ranges.iter().any(|&(start, _)| start == position)
    }

    /// The first position from `position` on that is not reverted.
    pub(crate) fn next_kept(&self, position: usize) -> usize {
        let after = self.ranges.partition_point(|&(_, end)| end <= position);
        match self.ranges.get(after) {
            Some(&(start, end)) if start <= position => end,
            _ => position,
        }
    }

    fn position(&self, index: OplogIndex) -> usize {
        usize::try_from(index.0.saturating_sub(self.entries_before)).unwrap_or(usize::MAX).saturating_sub(1)
    }
}

/// The first entry that the activation of this oplog must revert before it continues: the one after the beginning of
/// the outermost atomic region that was open when the last instance was lost.
///
/// A worker that parked and did nothing visible since lost nothing: its region is replayed and continues. Anything that
/// it did after the wait and that was visible outside is recorded after `Suspension`; then the region is repeated.
pub(crate) fn region_to_repeat(entries: &[Entry], reverted: &RevertedRanges) -> Option<OplogIndex> {
    let mut open: Vec<OplogIndex> = Vec::new();
    let (mut last, mut parked) = (OplogIndex(0), false);
    let mut at = 0;
    while let Some(entry) = entries.get(at) {
        let kept = reverted.next_kept(at);
        if kept > at {
            // A jump is not a crash: the entries before it are kept, as when the worker leaves memory.
            let record = kept.checked_sub(1).and_then(|record| entries.get(record));
            parked = matches!(record, Some(Entry::Revert { reason: RevertReason::Jump, .. }));
            at = kept;
            continue;
        }
        at += 1;
        let index = OplogIndex(reverted.entries_before + at as u64);
        match entry {
            Entry::Created { .. }
            | Entry::InvocationStarted { .. }
            | Entry::InvocationCompleted { .. }
            | Entry::InvocationFailed { .. }
            | Entry::LifecycleEvent(_) => open.clear(),
            Entry::HostCall { call, response: _ } => {
                (last, parked) = (index, false);
                match call.function {
                    HostFunction::RegionBegin => open.push(index),
                    HostFunction::RegionEnd => close_region(&mut open, &call.request),
                    _ => {}
                }
            }
            Entry::Suspended(_) => parked = true,
            Entry::AttemptFailed { .. } => parked = false,
            Entry::Activated { .. }
            | Entry::Configured { .. }
            | Entry::Revert { .. }
            | Entry::ProgramEnded { .. } => {}
        }
    }
    let outermost = *open.first()?;
    (last > outermost && !parked).then(|| outermost.next())
}

/// Closes the region that a recorded call of `region.end` names, and all regions inside it.
fn close_region(open: &mut Vec<OplogIndex>, request: &HostCallRequest) {
    if let HostCallRequest::Inline(bytes) = request
        && let Ok(region) = Reader::new(bytes).varint()
        && let Some(depth) = open.iter().position(|start| start.0 == region)
    {
        open.truncate(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::oplog::{HostCall, InvocationSource, Suspension};
    use golem_model::{AccountId, IdempotencyKey, ProjectId, TemplateId, Timestamp, WorkerId, WorkerName};
    use std::sync::Arc;
    use uuid::Uuid;

    const AT: Timestamp = Timestamp::from_nanos(7);

    fn revert(from: u64) -> Entry {
        Entry::Revert { at: AT, from: OplogIndex(from), reason: RevertReason::Jump }
    }

    fn call(function: HostFunction, request: &[u8]) -> Entry {
        let call = HostCall { function, request: HostCallRequest::Inline(request.to_vec()) };
        Entry::HostCall { call, response: Vec::new() }
    }

    fn parked() -> Entry {
        Entry::Suspended(Suspension { at: AT, monotonic_nanos: 0, wake_at: None, promises: Vec::new() })
    }

    fn started() -> Entry {
        let source = InvocationSource::Inline { function: Arc::from("run"), params: Vec::new() };
        Entry::InvocationStarted { at: AT, key: IdempotencyKey::anonymous(1), source }
    }

    fn created() -> Entry {
        Entry::Created {
            at: AT,
            id: WorkerId::new(TemplateId(Uuid::nil()), WorkerName::new("w").unwrap()),
            project: ProjectId(Uuid::nil()),
            account: AccountId(Uuid::nil()),
            template_version: 0,
            args: Vec::new(),
            env: Vec::new(),
            seed: [0; 32],
        }
    }

    fn activated() -> Entry {
        Entry::Activated { at: AT, engine: String::new() }
    }

    /// The indices that are replayed.
    fn replayed(entries: &[Entry]) -> Vec<u64> {
        let reverted = RevertedRanges::from_entries(OplogIndex(0), entries);
        let positions = (0..entries.len()).filter(|position| reverted.next_kept(*position) == *position);
        positions.map(|position| position as u64 + 1).collect()
    }

    /// Regression: a worker that had jumped to a position could not jump there a second time.
    #[test]
    fn a_position_can_be_jumped_to_again() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let entries = vec![started(), started(), now(), now(), revert(3), now(), revert(3), now()];
        let reverted = RevertedRanges::from_entries(OplogIndex(0), &entries);
        let hidden: Vec<u64> =
            (1..=9).filter(|index| reverted.is_state_reverted(OplogIndex(*index))).collect();
        assert_eq!(hidden, [4, 5, 6, 7]);
    }

    #[test]
    fn ranges_end_with_their_record_and_merge_with_those_inside() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![created(), started(), now(), now(), revert(4)];
        assert_eq!(replayed(&entries), [1, 2, 3]);
        entries.extend([now(), now(), revert(7)]);
        assert_eq!(replayed(&entries), [1, 2, 3, 6]);
        entries.push(revert(6));
        assert_eq!(replayed(&entries), [1, 2, 3], "right behind the first");
        entries.extend([now(), revert(3)]);
        assert_eq!(replayed(&entries), [1, 2], "over all of them");
        entries.extend([now(), revert(5)]);
        assert_eq!(replayed(&entries), [1, 2], "into a reverted range");
        entries.push(revert(0));
        assert_eq!(replayed(&entries), [1], "the creation stays");
    }

    /// Indexes of a worker that was created under the name of a deleted one continue after those of the deleted one.
    #[test]
    fn ranges_follow_the_indexes_of_a_recreated_worker() {
        let before = OplogIndex(100);
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries =
            vec![created(), started(), now(), call(HostFunction::RegionBegin, &[]), now(), revert(103)];
        let kept = |entries: &[Entry]| {
            let reverted = RevertedRanges::from_entries(before, entries);
            (0..entries.len()).filter(|at| reverted.next_kept(*at) == *at).collect::<Vec<_>>()
        };
        assert_eq!(kept(&entries), [0, 1]);
        entries.extend([call(HostFunction::RegionBegin, &[]), now()]);
        let reverted = RevertedRanges::from_entries(before, &entries);
        assert_eq!(region_to_repeat(&entries, &reverted), Some(OplogIndex(108)));
        assert!(reverted.is_state_reverted(OplogIndex(104)) && !reverted.is_state_reverted(OplogIndex(107)));
        entries.push(revert(1));
        assert_eq!(kept(&entries), [0], "the creation stays");
    }

    fn to_repeat(entries: &[Entry]) -> Option<u64> {
        region_to_repeat(entries, &RevertedRanges::from_entries(OplogIndex(0), entries)).map(|index| index.0)
    }

    #[test]
    fn entries_after_the_outermost_open_region_are_reverted() {
        let begin = || call(HostFunction::RegionBegin, &[]);
        let end = |region| call(HostFunction::RegionEnd, &[region]);
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![started(), begin(), now(), end(2), now()];
        assert_eq!(to_repeat(&entries), None, "closed");
        entries.push(begin());
        assert_eq!(to_repeat(&entries), None, "nothing follows the beginning");
        entries.extend([now(), begin(), now()]);
        assert_eq!(to_repeat(&entries), Some(7));
        entries.push(end(8));
        assert_eq!(to_repeat(&entries), Some(7), "the inner one is closed, the outer is not");
        entries.extend([parked(), activated()]);
        assert_eq!(to_repeat(&entries), None, "it parked");
        entries.push(now());
        assert_eq!(to_repeat(&entries), Some(7), "it continued after the wait");
        entries.push(revert(7));
        assert_eq!(to_repeat(&entries), None, "it is reverted already");
        entries.extend([now(), end(6)]);
        assert_eq!(to_repeat(&entries), None);
    }

    /// Regression: a jump inside a region reverted to the region's beginning, and the calls before the jump ran twice.
    #[test]
    fn a_jump_keeps_the_entries_before_it() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![started(), call(HostFunction::RegionBegin, &[]), now(), now(), revert(4)];
        assert_eq!(to_repeat(&entries), None, "a jump is not a crash");
        entries.push(now());
        assert_eq!(to_repeat(&entries), Some(3), "a crash after it repeats the region");
    }

    #[test]
    fn an_attempt_that_failed_repeats_its_region() {
        let failed = Entry::AttemptFailed { at: AT, details: String::new(), retry_at: AT };
        let begin = || call(HostFunction::RegionBegin, &[]);
        let entries = vec![started(), begin(), parked(), failed, begin()];
        assert_eq!(to_repeat(&entries[..4]), None, "only hints follow the beginning");
        assert_eq!(to_repeat(&entries), Some(3));
    }
}
